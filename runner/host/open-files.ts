import { readdirSync, readlinkSync } from 'node:fs';

/**
 * Paths of the files that a process holds open (`/proc/<pid>/fd`); none of a process that is gone. What it has closed
 * is finished: nothing more is written there by it.
 */
export function openFiles(pid: number): Set<string> {
  const open = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        open.add(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        // Closed while we looked.
      }
    }
  } catch {
    // The process has ended.
  }
  return open;
}
