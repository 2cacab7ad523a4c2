import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processRuns, readProcess } from './process-group.ts';

/**
 * One runner per job and host (F13, F42). The file names the process with its start time, so that a lock of a dead
 * runner, or of one before a reboot, holds nobody. Undefined where another live runner has it.
 */
export function takeLockFile(directory: string, jobId: string): { release: () => void } | undefined {
  const file = join(directory, `${jobId}.lock`);
  const own = `${process.pid} ${readProcess(process.pid)?.startTime ?? '0'}`;
  const draft = join(directory, `${jobId}.${randomBytes(8).toString('hex')}.draft`);
  try {
    writeFileSync(draft, own, { mode: 0o600, flag: 'wx' });
    // A stale lock is moved away at most once by each of two rivals; the link decides which one goes on.
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(draft, file);
        return { release: () => releaseOwn(file, own) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = read(file);
      if (holder === undefined) continue;
      if (lives(holder)) return undefined;
      moveAway(file, holder);
    }
    return undefined;
  } finally {
    rmSync(draft, { force: true });
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function lives(holder: string): boolean {
  const [pid, startTime] = holder.split(' ');
  return processRuns(Number(pid), startTime);
}

/** Takes the stale lock out of the way; puts it back where a rival's fresh one was caught instead. */
function moveAway(file: string, stale: string): void {
  const aside = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (read(aside) !== stale) {
    try {
      linkSync(aside, file);
    } catch {
      // A third runner has it by now; both see that in their next look.
    }
  }
  rmSync(aside, { force: true });
}

/** Removes lock files, and drafts of them, whose runner is gone. */
export function sweepLockFiles(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!/^[A-Za-z0-9-]{1,64}\.(lock|lock\.[0-9a-f]{16}|[0-9a-f]{16}\.draft)$/.test(name)) continue;
    const file = join(directory, name);
    const holder = read(file);
    // An empty draft is one that a live runner is about to write.
    if (holder && !lives(holder)) moveAway(file, holder);
  }
}

function releaseOwn(file: string, own: string): void {
  if (read(file) === own) rmSync(file, { force: true });
}
