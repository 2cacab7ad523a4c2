import { crc32 } from 'node:zlib';

/** Writes chunks of xbstream and mbstream for tests, right by default; the format is told at the parser. */
const header = (type: string, path: string, flags: number): Buffer => {
  const name = Buffer.from(path, 'utf8');
  const fixed = Buffer.alloc(14);
  fixed.write('XBSTCK01', 0, 'latin1');
  fixed.writeUInt8(flags, 8);
  fixed.write(type, 9, 'latin1');
  fixed.writeUInt32LE(name.length, 10);
  return Buffer.concat([fixed, name]);
};

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

export const chunkOf = {
  payload: (path: string, data: Uint8Array | string, fileOffset: number | bigint = 0, flags = 0): Buffer => {
    const bytes = Buffer.from(data);
    return Buffer.concat([
      header('P', path, flags),
      u64(bytes.length),
      u64(fileOffset),
      u32(crc32(bytes)),
      bytes,
    ]);
  },
  end: (path: string): Buffer => header('E', path, 0),
  seek: (path: string, fileOffset: number): Buffer => Buffer.concat([header('S', path, 0), u64(fileOffset)]),
  rename: (path: string, newPath: string): Buffer =>
    Buffer.concat([header('R', path, 0), u32(Buffer.byteLength(newPath)), Buffer.from(newPath)]),
  remove: (path: string): Buffer => header('D', path, 0),
  /** `map`: pairs of skipped and written bytes. */
  sparse: (path: string, data: string, fileOffset: number, map: readonly (readonly [number, number])[]) => {
    const runs = Buffer.concat(map.flatMap(([skip, write]) => [u32(skip), u32(write)]));
    const bytes = Buffer.from(data);
    return Buffer.concat([
      header('S', path, 0),
      u32(map.length),
      u64(bytes.length),
      u64(fileOffset),
      u32(crc32(bytes, crc32(runs))),
      runs,
      bytes,
    ]);
  },
  raw: header,
};

/** A whole file in one chunk (none if it is empty) and its end. */
export const fileOf = (path: string, data: string, flags = 0): Buffer =>
  Buffer.concat([...(data === '' ? [] : [chunkOf.payload(path, data, 0, flags)]), chunkOf.end(path)]);

const metadata = (last: string) => [
  fileOf('xtrabackup_binlog_info', 'bin.000001\t330\t0-1-4\n'),
  fileOf(last, 'redo'),
  fileOf('xtrabackup_checkpoints', 'backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 42\nlast_lsn = 52\n'),
  fileOf('backup-my.cnf', '[mysqld]\n'),
  fileOf('xtrabackup_info', 'tool_name = mariadb-backup\nformat = mbstream\n'),
];

/** A small valid mbstream with every kind of chunk: interleaved files, a seek, a rename, removals, a rewrite. */
export const smallMariadbStream = (): Buffer =>
  Buffer.concat([
    chunkOf.payload('ibdata1', 'system'),
    chunkOf.payload('d/a.ibd', 'inno'),
    chunkOf.payload('ibdata1', 'space', 6),
    chunkOf.end('d/a.ibd'),
    chunkOf.end('ibdata1'),
    fileOf('d/m.MYI', 'index'),
    fileOf('d/m.MYD', ''),
    fileOf('d/old.MAI', 'key'),
    fileOf('d/old.MAD', 'row'),
    fileOf('d/gone.MAI', 'key'),
    fileOf('d/gone.MAD', 'row'),
    fileOf('d/m.frm', 'f'),
    fileOf('d/x.frm', 'f'),
    chunkOf.rename('d/old.MAI', 'd/x.MAI'),
    chunkOf.rename('d/old.MAD', 'd/x.MAD'),
    chunkOf.remove('d/gone.MAI'),
    chunkOf.remove('d/gone.MAD'),
    fileOf('d/x.frm', 'F', 2),
    chunkOf.payload('aria_log.00000001', 'tail of log'),
    chunkOf.seek('aria_log.00000001', 3),
    chunkOf.payload('aria_log.00000001', 'LSN', 3),
    chunkOf.end('aria_log.00000001'),
    ...metadata('ib_logfile0'),
  ]);

/** The same for XtraBackup, with a sparse chunk among payloads. */
export const smallPerconaStream = (): Buffer =>
  Buffer.concat([
    chunkOf.payload('ibdata1', 'system'),
    chunkOf.payload('d/a.ibd', 'page'),
    chunkOf.sparse('d/a.ibd', 'abcdef', 4, [
      [10, 4],
      [12, 2],
      [8, 0],
    ]),
    chunkOf.payload('ibdata1', 'space', 6),
    chunkOf.payload('d/a.ibd', 'last', 40),
    chunkOf.end('d/a.ibd'),
    chunkOf.end('ibdata1'),
    fileOf('d/m.MYI', 'index'),
    fileOf('d/m.MYD', ''),
    fileOf('mysql.ibd.zst', 'zipped'),
    ...metadata('xtrabackup_logfile'),
  ]);
