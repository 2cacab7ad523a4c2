import { statfsSync } from 'node:fs';

/** `f_type` of a tmpfs (linux/magic.h, TMPFS_MAGIC). */
const tmpfsMagic = 0x01021994;

/** Whether a directory lies in memory, so that what is written there never reaches a disk. */
export function isTmpfs(directory: string): boolean {
  try {
    return statfsSync(directory).type === tmpfsMagic;
  } catch {
    return false;
  }
}
