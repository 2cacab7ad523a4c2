/**
 * The tool's format of changed pages: blocks of one header page (`xtra`, in the last one `XTRA`, then the numbers of the
 * pages that follow, big-endian, ended by 0xFFFFFFFF where there is room) and those pages.
 */
const pageBytes = 16_384;
const perBlock = pageBytes / 4 - 1;
const end = 0xffffffff;

/** Pages whose LSN is not below `from`, and the first, whose header changes without one. */
export function deltaOf(file: Buffer, from: bigint): Buffer {
  const changed: number[] = [];
  for (let page = 0; page * pageBytes < file.length; page++) {
    if (page === 0 || file.readBigUInt64BE(page * pageBytes + 16) >= from) changed.push(page);
  }
  const parts: Buffer[] = [];
  for (let at = 0; at < changed.length; at += perBlock) {
    const block = changed.slice(at, at + perBlock);
    const header = Buffer.alloc(pageBytes);
    header.write(at + perBlock >= changed.length ? 'XTRA' : 'xtra', 'latin1');
    for (const [i, page] of block.entries()) header.writeUInt32BE(page, 4 + 4 * i);
    if (block.length < perBlock) header.writeUInt32BE(end, 4 + 4 * block.length);
    parts.push(header, ...block.map((page) => file.subarray(page * pageBytes, (page + 1) * pageBytes)));
  }
  return Buffer.concat(parts);
}

/** Which tablespace the pages are of: a table that was dropped and made anew has another number. */
export const metaOf = (file: Buffer): string =>
  `page_size = ${pageBytes}\nzip_size = 0\nspace_id = ${file.readUInt32BE(34)}\nspace_flags = 0\nsize = ${file.length}\n`;

/** The file as it is after the pages of `delta`; `size` in bytes. */
export function withDelta(base: Buffer, delta: Buffer, size: number): Buffer {
  const file = Buffer.alloc(size);
  base.copy(file, 0, 0, Math.min(base.length, size));
  for (let at = 0; at < delta.length; ) {
    const header = delta.subarray(at, at + pageBytes);
    at += pageBytes;
    for (let i = 0; i < perBlock; i++) {
      const page = header.readUInt32BE(4 + 4 * i);
      if (page === end || at >= delta.length) break;
      delta.copy(file, page * pageBytes, at, at + pageBytes);
      at += pageBytes;
    }
    if (header.toString('latin1', 0, 4) === 'XTRA') break;
  }
  return file;
}
