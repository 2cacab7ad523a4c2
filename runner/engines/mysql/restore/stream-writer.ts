import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { ChunkEvent, XbstreamEvent, XbstreamFlavour } from '../xbstream/events.ts';
import { makeXbstreamParser } from '../xbstream/parser.ts';
import type { XbstreamState } from '../xbstream/state.ts';

/** A chunk is kept until its checksum is proven. mariadb-backup writes up to 10 MiB, 64 MiB at most (delta buffers). */
const chunkLimit = 80 * 1024 * 1024;

const damaged = (message: string, facts: Record<string, string | number> = {}) =>
  new NamedError('Restore.StreamDamaged', message, facts);

/**
 * Unpacks a stream below `root`, as `mbstream -x` or `xbstream -x` would but not silent about anything: existing files,
 * symbolic links and broken chunks end it, and no byte of a chunk is written before its checksum is proven. Of a
 * stream that goes beyond `most` (files opened, bytes written, and the size that a hole gives a file) nothing more
 * is written (F71). `done` takes back each buffer that was pushed, once nothing of it is needed any more.
 */
export function makeStreamWriter(
  root: string,
  most: { bytes: number; files: number },
  done: (bytes: Buffer) => void = () => {},
  flavour: XbstreamFlavour = 'mariadb',
) {
  const events: XbstreamEvent[] = [];
  const parser = makeXbstreamParser(flavour, (event) => events.push(event));
  const handles = new Map<string, FileHandle>();
  const made = new Set<string>();
  const window: { at: number; bytes: Buffer }[] = [];
  let read = 0;
  let proven = 0;
  let written = 0;
  let opened = 0;
  /** What has been read is written while the next of it is checked. */
  let writing: Promise<void> = Promise.resolve();

  const countFile = () => {
    opened += 1;
    if (opened > most.files) throw damaged(`it has more than ${most.files} files`, { files: most.files });
  };

  const pathOf = (path: string) => join(root, path);

  const parentOf = async (path: string) => {
    const parent = dirname(path);
    if (made.has(parent)) return;
    await mkdir(pathOf(parent), { recursive: true, mode: 0o700 });
    made.add(parent);
  };

  const handleOf = async (event: ChunkEvent): Promise<FileHandle> => {
    const known = handles.get(event.path);
    if (known !== undefined) return known;
    countFile();
    await parentOf(event.path);
    const { O_WRONLY, O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW } = constants;
    const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | (event.rewrite ? O_TRUNC : O_EXCL);
    const handle = await open(pathOf(event.path), flags, 0o600);
    handles.set(event.path, handle);
    return handle;
  };

  const writeChunk = async (event: ChunkEvent) => {
    written += event.length;
    const runs = event.sparse ?? [{ skip: 0, write: event.length }];
    const size = runs.reduce((sum, { skip, write }) => sum + skip + write, event.fileOffset);
    if (written > most.bytes || size > most.bytes) {
      throw damaged(`it has more bytes than the ${most.bytes} that the manifest says a restore needs`, {
        path: event.path,
        bytes: most.bytes,
      });
    }
    const handle = await handleOf(event);
    let offset = event.fileOffset;
    let streamed = event.streamOffset;
    for (const { skip, write } of runs) {
      offset += skip;
      await writeRun(handle, streamed, write, offset);
      streamed += write;
      offset += write;
    }
    // A hole at the end of what a map describes is part of the file.
    if (event.sparse !== undefined && runs.at(-1)?.write === 0) await handle.truncate(size);
  };

  /** Writes `length` bytes of the stream from `streamed` on at `offset` of the file. */
  const writeRun = async (handle: FileHandle, streamed: number, length: number, offset: number) => {
    for (const { at, bytes } of window) {
      const from = Math.max(at, streamed);
      const to = Math.min(at + bytes.length, streamed + length);
      if (from >= to) continue;
      const part = bytes.subarray(from - at, to - at);
      await handle.write(part, 0, part.length, offset + from - streamed);
    }
  };

  const apply = async (event: XbstreamEvent) => {
    if (event.kind === 'chunk') return writeChunk(event);
    if (event.kind === 'rename') {
      await parentOf(event.newPath);
      return rename(pathOf(event.path), pathOf(event.newPath)).catch(absent);
    }
    if (event.kind === 'remove' && !event.path.endsWith('*')) {
      made.delete(event.path);
      return rm(pathOf(event.path), { recursive: true, force: true });
    }
    if (event.kind === 'end') {
      const handle = handles.get(event.path);
      handles.delete(event.path);
      if (handle !== undefined) return handle.close();
      // A file without a chunk is an empty one.
      countFile();
      await parentOf(event.path);
      await (await open(pathOf(event.path), 'wx', 0o600)).close();
    }
  };

  /** In the order of the stream; then nothing before `upTo` is needed any more. */
  const applyAll = async (found: readonly XbstreamEvent[], upTo: number) => {
    for (const event of found) await apply(event);
    while (window[0] !== undefined && window[0].at + window[0].bytes.length <= upTo) {
      done(window.shift()!.bytes);
    }
  };

  return {
    /** Takes the next bytes of the stream. What cannot be written is told by this call or a later one. */
    async push(bytes: Buffer): Promise<void> {
      window.push({ at: read, bytes });
      read += bytes.length;
      const failure = parser.push(bytes);
      const found = events.splice(0);
      for (const event of found) {
        const end = event.kind === 'chunk' ? event.streamOffset + event.length : event.headerOffset;
        proven = Math.max(proven, end);
      }
      if (found.length > 0) {
        await writing;
        writing = applyAll(found, proven);
        // Told by the next push or by the end; until then its failure is nobody's surprise.
        writing.catch(() => undefined);
      }
      if (failure !== undefined) {
        await writing;
        throw damaged(`the stream is broken at byte ${failure.streamOffset}: ${failure.detail}`, {
          streamOffset: failure.streamOffset,
        });
      }
      if (read - proven > chunkLimit) {
        throw damaged(`a chunk of more than ${chunkLimit} bytes, which no mariadb-backup writes`);
      }
    },

    /** After the last byte: removes what a pattern removed, and says what is there now. */
    async end(): Promise<XbstreamState> {
      await writing;
      const state = parser.state();
      for (const path of state.strays) await rm(pathOf(path), { force: true });
      return state;
    },

    /** What of `most` was not needed. */
    left: () => ({ bytes: most.bytes - written, files: most.files - opened }),

    /** Closes what is open, whatever happened. */
    async close(): Promise<void> {
      await writing.catch(() => undefined);
      for (const handle of handles.values()) await handle.close().catch(() => {});
      handles.clear();
    },
  };
}

/** A rename of a file that never came is for the verdict to judge. */
function absent(error: NodeJS.ErrnoException) {
  if (error.code !== 'ENOENT') throw error;
}
