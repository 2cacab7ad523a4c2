import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { chunkOf } from '../xbstream-writer.ts';

/** A lock that the tool holds while it copies a part of the files. */
export type ToolStage = 'START' | 'FLUSH' | 'BLOCK_DDL' | 'BLOCK_COMMIT';

/** One file as it goes into the stream: what the tool says of it, and its chunks. */
export type StreamedPart = { path: string; chunks: Buffer[] };

/** Of each file so much is streamed: what is judged are names and ends, and a round must be short. */
const fileBytes = 64 * 1024;
const chunkBytes = 16 * 1024;

function begin(file: string): Buffer {
  const bytes = Buffer.alloc(fileBytes);
  const handle = openSync(file, 'r');
  try {
    return bytes.subarray(0, readSync(handle, bytes, 0, fileBytes, 0));
  } finally {
    closeSync(handle);
  }
}

/** A file's chunks: payload of 16 KiB each, and its end. */
export function part(path: string, content: Uint8Array | string): StreamedPart {
  const bytes = Buffer.from(content as Uint8Array);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes)
    chunks.push(chunkOf.payload(path, bytes.subarray(at, at + chunkBytes), at));
  return { path, chunks: [...chunks, chunkOf.end(path)] };
}

const stages: readonly [RegExp, ToolStage][] = [
  [/^mysql\/(column|table|index)_stats\.MA[ID]$|\.(CSV|CSM)$/, 'BLOCK_COMMIT'],
  [/\.(MAI|MAD|ibd)$|^ibdata1$|^aria_log_control$/, 'START'],
  [/\.(MYI|MYD|frm|opt|TRG|TRN|par|ARZ)$/, 'BLOCK_DDL'],
];

/** The files of a data directory, in the order and under the locks in which mariadb-backup 10.11 copies them. */
export function filesOf(datadir: string): Map<ToolStage, string[]> {
  const found = new Map<ToolStage, string[]>(
    (['START', 'FLUSH', 'BLOCK_DDL', 'BLOCK_COMMIT'] as const).map((stage) => [stage, []]),
  );
  const names = readdirSync(datadir, { recursive: true, encoding: 'utf8' }).sort();
  for (const name of names) {
    const stage = stages.find(([pattern]) => pattern.test(name))?.[1];
    if (stage !== undefined && !/(^|\/)#sql|^ib_buffer_pool|^undo/.test(name)) found.get(stage)!.push(name);
  }
  return found;
}

/** One file of the data directory; undefined where it is gone by now. */
export function readPart(datadir: string, path: string): StreamedPart | undefined {
  try {
    return part(path, begin(join(datadir, path)));
  } catch {
    return undefined;
  }
}
