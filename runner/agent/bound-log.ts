import { copyFileSync, rmSync, statSync, truncateSync } from 'node:fs';

/** Months of an agent that starts every two minutes and finds nothing ordered; a day of one whose reports all fail. */
const mostBytes = 8 * 1024 * 1024;

/**
 * Keeps the agent's log, and one file of what was before it, within twice `most` bytes. Whoever started the agent has
 * opened the file for appending, so that it can be emptied in place. On a full disk what was before is given up; a log
 * that cannot be emptied is no reason not to archive.
 */
export function boundLog(path: string, most = mostBytes): void {
  try {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size <= most) return;
    try {
      copyFileSync(path, `${path}.1`);
    } catch {
      rmSync(`${path}.1`, { force: true, recursive: true });
    }
    truncateSync(path);
  } catch {
    return;
  }
}
