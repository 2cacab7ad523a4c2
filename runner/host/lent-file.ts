import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Account } from './accounts.ts';
import { isTmpfs } from './filesystem-type.ts';
import { processRuns, readProcess } from './process-group.ts';

/** In memory where there is some. The job's own directory there is closed to other accounts. */
const place = () => ['/run', '/dev/shm'].find((directory) => isTmpfs(directory)) ?? tmpdir();

/** Lends a secret to another account, as a file that it alone may read; nothing of it is left when `use` has ended. */
export async function withLentFile<T>(
  bytes: Buffer,
  { uid, gid }: Account,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const startTime = readProcess(process.pid)?.startTime ?? '0';
  const name = `holdfast-lent.${process.pid}.${startTime}.${randomBytes(4).toString('hex')}`;
  const directory = join(place(), name);
  mkdirSync(directory, { mode: 0o700 });
  try {
    const path = join(directory, 'key');
    writeFileSync(path, bytes, { mode: 0o400, flag: 'wx' });
    chownSync(path, uid, gid);
    chmodSync(directory, 0o711);
    return await use(path);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Removes what runners that were killed have lent. */
export function sweepLentFiles(root = place()): void {
  for (const name of readdirSync(root)) {
    const [, pid, startTime] = /^holdfast-lent\.(\d+)\.(\d+)\.[0-9a-f]{8}$/.exec(name) ?? [];
    if (pid === undefined || startTime === undefined || processRuns(Number(pid), startTime)) continue;
    rmSync(join(root, name), { recursive: true, force: true });
  }
}
