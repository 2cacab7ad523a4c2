import type { SparseRun } from './events.ts';

/** Where a payload goes, and its checksum. */
export type PayloadPlace = { length: number; fileOffset: number; crc32: number };

/** A number of eight bytes; undefined beyond 2^53. */
export function readU64(field: Buffer, at: number): number | undefined {
  const value = field.readBigUInt64LE(at);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
}

/** Length u64, file offset u64 and crc32 u32, as both kinds of payload have them; undefined where it ends beyond 2^53. */
export function readPlace(field: Buffer, at: number): PayloadPlace | undefined {
  const length = readU64(field, at);
  const fileOffset = readU64(field, at + 8);
  if (length === undefined || fileOffset === undefined || !Number.isSafeInteger(length + fileOffset)) {
    return undefined;
  }
  return { length, fileOffset, crc32: field.readUInt32LE(at + 16) };
}

/** Percona's map of what a payload fills: pairs of skip u32 and write u32 from `fileOffset` on, up to `end`. */
export function readSparseMap(map: Buffer, fileOffset: number) {
  const runs: SparseRun[] = [];
  let end = fileOffset;
  let written = 0;
  for (let at = 0; at < map.length; at += 8) {
    const run = { skip: map.readUInt32LE(at), write: map.readUInt32LE(at + 4) };
    runs.push(run);
    end += run.skip + run.write;
    written += run.write;
  }
  return { runs, written, end };
}
