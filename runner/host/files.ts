import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NamedError } from '../../contract/errors/named-error.ts';
import { isTmpfs } from './filesystem-type.ts';
import { processRuns, readProcess } from './process-group.ts';

/** Where work directories go: the settings' place, else one in memory, since option files with passwords lie there. */
export function workRoot(configured?: string): string {
  if (configured !== undefined) return configured;
  if (isTmpfs('/run')) return '/run/holdfast';
  if (isTmpfs('/dev/shm')) return '/dev/shm/holdfast';
  return join(tmpdir(), 'holdfast');
}

/** Makes a directory that is this account's alone; refuses one that another account has put in its place. */
export function makePrivateDir(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found = lstatSync(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new NamedError('Settings.Invalid', `${directory} must be a directory of the runner's own account`, {
      field: 'workDir',
      value: directory,
    });
  }
  if ((found.mode & 0o077) !== 0) chmodSync(directory, 0o700);
}

/**
 * Makes the private directory (0700) of one job, `<jobId>.<pid>.<start time>.<random>`: the name says whose it is,
 * so that what a dead runner left can be told from what a live one uses.
 */
export function makeWorkDir(root: string, jobId: string): { directory: string; remove: () => void } {
  makePrivateDir(root);
  const startTime = readProcess(process.pid)?.startTime ?? '0';
  const directory = join(root, `${jobId}.${process.pid}.${startTime}.${randomBytes(4).toString('hex')}`);
  mkdirSync(directory, { mode: 0o700 });
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Removes work directories whose runner is gone (killed, or the host went down); says which jobs they were of. */
export function sweepWorkDirs(root: string): string[] {
  const swept: string[] = [];
  let names: string[] = [];
  try {
    names = readdirSync(root);
  } catch {
    return swept;
  }
  for (const name of names) {
    const match = /^([A-Za-z0-9-]{1,64})\.(\d+)\.(\d+)\.[0-9a-f]{8}$/.exec(name);
    if (!match || processRuns(Number(match[2]), match[3])) continue;
    rmSync(join(root, name), { recursive: true, force: true });
    swept.push(match[1]!);
  }
  return swept;
}

/**
 * Writes a file of secrets (an option file) that only the runner can read: 0600 from its first
 * moment, and never over an existing one. It goes with its work directory.
 */
export function writeSecretFile(file: string, secret: string | Buffer): void {
  writeFileSync(file, secret, { mode: 0o600, flag: 'wx' });
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
}
