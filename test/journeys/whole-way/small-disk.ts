import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** Mounts 8 MB at `directory` for as long as `use` runs. */
export async function onSmallDisk(
  directory: string,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  mkdirSync(directory, { mode: 0o755 });
  must('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0755', 'tmpfs', directory]);
  try {
    await use(directory);
  } finally {
    must('umount', [directory]);
  }
}

function must(command: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
