import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statfsSync } from 'node:fs';

/** Less than a restore of any size needs for its redo log alone. */
const smallBytes = 64 * 1024 * 1024;

/**
 * Gives `use` a directory on a small disk: 8 MB, or as many as are named, mounted at `directory` for as long as it runs or, in a container that
 * may not mount, one of the small file systems that containers have.
 */
export async function onSmallDisk(
  directory: string,
  use: (directory: string) => Promise<void>,
  megabytes = 8,
): Promise<void> {
  mkdirSync(directory, { mode: 0o755 });
  const mounted = run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tmpfs', directory]);
  if (mounted !== undefined) return use(smallPlace(mounted));
  try {
    await use(directory);
  } finally {
    // Lazily: what still looks at it must not keep it mounted after this run.
    run('umount', ['-l', directory]);
  }
}

function smallPlace(why: string): string {
  const place = ['/dev/shm', '/run/lock', '/dev', '/run'].find((path) => {
    if (!existsSync(path)) return false;
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize <= smallBytes;
  });
  if (place === undefined) throw new Error(`there is no small disk here, and none can be mounted: ${why}`);
  return place;
}

/** What went wrong; undefined where nothing did. */
function run(command: string, args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? undefined : `${command} ${args.join(' ')}: ${error?.message ?? stderr}`;
}
