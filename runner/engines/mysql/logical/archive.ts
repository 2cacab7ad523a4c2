import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { crcHex } from '../../../stream/crc.ts';
import type { StreamSink } from '../../engine.ts';
import type { TableRef } from './dump-files.ts';
import { paddingOf, tarEnd, tarHeader } from './tar.ts';

/** A read from the spool's disk at once. */
const readBytes = 1024 * 1024;

/** What a file of rows is told by: its table and the rows that it has. */
export type FileOfTable = TableRef & { rows: number };

/**
 * The one tar stream of a logical backup. Each file is an entry; its row in the index says where its content lies, so
 * that one table's files can be read without the rest, and a frame may end behind it.
 */
export function makeArchive(sink: StreamSink, stream: string) {
  let at = 0;
  let files = 0;
  const write = async (bytes: Buffer) => {
    await sink.write(bytes);
    at += bytes.length;
  };

  const entry = async (
    path: string,
    size: number,
    content: (put: (bytes: Buffer) => Promise<void>) => Promise<void>,
    table: () => FileOfTable | undefined,
  ): Promise<void> => {
    await write(tarHeader(path, size));
    const from = at;
    let crc = 0;
    await content(async (bytes) => {
      crc = crc32(bytes, crc);
      await write(bytes);
    });
    if (at - from !== size) throw new Error(`${path} has ${at - from} bytes instead of ${size}`);
    await write(Buffer.alloc(paddingOf(size)));
    sink.fileBoundary();
    files += 1;
    sink.row({ t: 'chunk', stream, path, off: 0, bytes: size, from, crc: crcHex(crc) });
    const of = table();
    sink.row({
      t: 'file',
      stream,
      path,
      bytes: size,
      ...(of === undefined ? {} : { table: { schema: of.schema, table: of.table }, rows: of.rows }),
    });
  };

  return {
    /** A file that is held in memory. */
    add: (path: string, bytes: Buffer) =>
      entry(
        path,
        bytes.length,
        (put) => put(bytes),
        () => undefined,
      ),
    /** A finished file on disk; `see` gets its bytes on their way, `table` is asked once they have gone by. */
    addFile: (
      path: string,
      file: { path: string; bytes: number },
      see: (bytes: Buffer) => void,
      table: () => FileOfTable | undefined,
    ) =>
      entry(
        path,
        file.bytes,
        async (put) => {
          const handle = await open(file.path, 'r');
          try {
            const buffer = Buffer.allocUnsafe(Math.min(readBytes, Math.max(1, file.bytes)));
            for (let left = file.bytes; left > 0; ) {
              const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, left));
              if (bytesRead === 0) {
                throw new NamedError('Backup.Incomplete', `${path} became shorter while it was read`, {
                  path,
                });
              }
              const bytes = buffer.subarray(0, bytesRead);
              see(bytes);
              await put(bytes);
              left -= bytesRead;
            }
          } finally {
            await handle.close();
          }
        },
        table,
      ),
    end: () => write(tarEnd()),
    bytes: () => at,
    files: () => files,
  };
}

export type Archive = ReturnType<typeof makeArchive>;
