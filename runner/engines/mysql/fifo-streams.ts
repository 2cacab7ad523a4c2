import { join } from 'node:path';
import type { BackupPlan } from '../../../contract/records/backup.ts';

/** The streams of a physical backup: the tool's stdout, or the named pipes that it writes to. */
export const streamNames = ({ fifoStreams }: Pick<BackupPlan, 'fifoStreams'>): [string, ...string[]] =>
  fifoStreams === undefined
    ? ['main']
    : ['fifo-0', ...Array.from({ length: fifoStreams - 1 }, (_, n) => `fifo-${n + 1}`)];

/** XtraBackup's own names of the pipes that it makes in `--fifo-dir`. */
export const fifoPath = (directory: string, n: number): string => join(directory, `thread_${n}`);

/** How long XtraBackup waits for somebody to read from its pipes, once a second. Its own default. */
export const fifoTimeoutSeconds = 60;

const [x, b] = Buffer.from('XB');

/**
 * Takes away the one byte that XtraBackup writes into each pipe before the stream, to wake its reader (file_utils.cc,
 * open_fifo_for_write_with_timeout). It is known by what follows: a stream begins with `XBSTCK01`.
 */
export function makeMarkRemover(): (bytes: Buffer) => Buffer {
  let held: Buffer | undefined;
  let done = false;
  return (bytes) => {
    if (done || bytes.length === 0) return bytes;
    const all = held === undefined ? bytes : Buffer.concat([held, bytes]);
    if (all.length < 2) {
      held = Buffer.from(all);
      return all.subarray(1);
    }
    done = true;
    return all[0] === x && all[1] === b ? all : all.subarray(1);
  };
}
