import { openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** mariadb-backup reads and writes 10 MiB at once; each becomes one chunk of the stream. */
export const chunkBytes = 10 * 1024 * 1024;
/** A tablespace of the stream: 1,000 MiB. */
const fileBytes = 100 * chunkBytes;

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const header = (type: 'P' | 'E', path: string): Buffer =>
  Buffer.concat([
    Buffer.from(`XBSTCK01\0${type}`, 'latin1'),
    u32(Buffer.byteLength(path)),
    Buffer.from(path),
  ]);

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/**
 * Writes at least `bytes` of database pages as mariadb-backup would stream them: tablespaces in chunks of 10 MiB whose
 * content is that of the sample file over and over, each chunk with its CRC32. The format is told at the parser.
 */
export function writePages(descriptor: number, sample: string, bytes: number): void {
  const file = openSync(sample, 'r');
  const buffer = Buffer.allocUnsafeSlow(chunkBytes);
  const sums = new Map<number, number>();
  let place = 0;
  for (let done = 0; done < bytes; done += chunkBytes) {
    const path = `bench/pages${Math.floor(done / fileBytes)}.ibd`;
    if (readSync(file, buffer, 0, chunkBytes, place) < chunkBytes) {
      place = 0;
      readSync(file, buffer, 0, chunkBytes, place);
    }
    const crc = sums.get(place) ?? crc32(buffer);
    sums.set(place, crc);
    place += chunkBytes;
    const fields = [header('P', path), u64(chunkBytes), u64(done % fileBytes), u32(crc)];
    writeAll(descriptor, Buffer.concat(fields));
    writeAll(descriptor, buffer);
    const last = done + chunkBytes >= bytes || (done + chunkBytes) % fileBytes === 0;
    if (last) writeAll(descriptor, header('E', path));
  }
}

/** `node pages.ts <sample> <bytes>`: the producer in front of tools that read their stdin. */
if (import.meta.main) {
  const [sample = '', bytes = '0'] = process.argv.slice(2);
  writePages(1, sample, Number(bytes));
}
