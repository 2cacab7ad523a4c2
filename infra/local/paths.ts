import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where the local target keeps what it starts. All paths are absolute. */
export type LocalPaths = {
  /** The checkout. */
  project: string;
  /** Directory of the Node that runs this, to be put first on PATH. */
  nodeBin: string;
  /** The emulator's program, installed by the set-up. */
  emulator: string;
  /** One file per running child. */
  pids: string;
  /** State and object bytes of the emulator. */
  emulatorState: string;
  /** Host roots and database servers; every user of the machine may pass through it. */
  run: string;
  /** Socket files, kept short: a socket path has at most 107 bytes. */
  sockets: string;
};

/**
 * The paths of one local target. Servers run as their own system user, which cannot enter a checkout below
 * /root; their directories are therefore in /var/tmp (on disk, unlike /tmp on many machines), named after the
 * checkout so that two of them do not meet. `purpose` separates targets of one checkout (`demo`, `test`).
 */
export function localPaths(purpose: string, project = resolve(import.meta.dirname, '../..')): LocalPaths {
  const name = createHash('sha256').update(`${project}\0${purpose}`).digest('hex').slice(0, 8);
  const run = join('/var/tmp', `holdfast-${name}`);
  return {
    project,
    nodeBin: resolve(process.execPath, '..'),
    emulator: join(project, '.local/venv/bin/ministack'),
    pids: join(project, '.local/run/pids'),
    emulatorState: join(project, '.local/run', purpose, 'emulator'),
    run,
    sockets: join(run, 's'),
  };
}

/** Makes the directories above; those that servers pass through are 0711, so that nobody else lists them. */
export function makeLocalDirectories(paths: LocalPaths): void {
  mkdirSync(paths.pids, { recursive: true });
  mkdirSync(paths.emulatorState, { recursive: true });
  for (const directory of [paths.run, paths.sockets]) {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o711);
  }
}
