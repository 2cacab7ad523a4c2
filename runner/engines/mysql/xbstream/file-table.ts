import type { StreamedFile, XbstreamFault } from './events.ts';

type Refusal = { fault: XbstreamFault; detail: string };

/**
 * The files that unpacking the stream so far would leave, by path: opened, continued, ended, renamed and removed
 * in the order of the stream. One small record per file; it refuses what `mbstream -x` and `xbstream -x` only
 * report or silently leave out (both exit 0 for a second opening, a rename of an open file, a missing E chunk).
 */
export function makeFileTable() {
  const files = new Map<string, StreamedFile>();
  const next = new Map<string, { offset: number; seek: boolean }>();
  const directories = new Set<string>();
  /** Renames whose source was not there, by new path; forgotten once that comes, goes or moves on. */
  const missedRenames = new Map<string, string>();
  const strays = new Set<string>();
  /** Whole files that went with their directory and have not come again. */
  const goneWithDirectory = new Set<string>();

  const open = (path: string, rewrite: boolean, from: number): StreamedFile => {
    const file = { bytes: 0, ended: false, rewrite, source: path, from, to: 0 };
    files.set(path, file);
    next.set(path, { offset: 0, seek: false });
    strays.delete(path);
    missedRenames.delete(path);
    goneWithDirectory.delete(path);
    const slash = path.lastIndexOf('/');
    if (slash > 0) directories.add(path.slice(0, slash));
    return file;
  };

  const opened = (path: string, rewrite: boolean, from: number): StreamedFile | Refusal => {
    const file = files.get(path);
    if (file === undefined || (file.ended && rewrite)) return open(path, rewrite, from);
    if (file.ended) return { fault: 'reopened', detail: 'the file was ended before and comes again' };
    if (file.rewrite !== rewrite) {
      return { fault: 'flags', detail: 'the rewrite flag changes within the file' };
    }
    return file;
  };

  const forget = (path: string) => {
    files.delete(path);
    next.delete(path);
  };

  return {
    files,
    strays,
    missedRenames,
    goneWithDirectory,

    /** Bytes at `offset` up to `end` (holes included), from a chunk whose header is at `headerOffset`. */
    write(
      path: string,
      offset: number,
      end: number,
      rewrite: boolean,
      headerOffset: number,
    ): Refusal | undefined {
      const file = opened(path, rewrite, headerOffset);
      if ('fault' in file) return file;
      const place = next.get(path)!;
      if (offset !== place.offset) {
        return { fault: 'offset', detail: `expected file offset ${place.offset}, found ${offset}` };
      }
      place.offset = end;
      place.seek = false;
      file.bytes = Math.max(file.bytes, end);
      return undefined;
    },

    /** The file in hand is of the tablespace of this number. */
    number(path: string, space: number | undefined) {
      const file = files.get(path);
      if (file !== undefined && space !== undefined) file.space = space;
    },

    /** MariaDB: the next bytes go to `offset` (the writer's tail of an Aria log). */
    seek(path: string, offset: number): Refusal | undefined {
      const known = files.get(path);
      if (known === undefined || known.ended) {
        return { fault: 'not-open', detail: 'a seek in a file that is not open' };
      }
      const place = next.get(path)!;
      if (place.seek) return { fault: 'offset', detail: 'two seeks without bytes between them' };
      place.offset = offset;
      place.seek = true;
      return undefined;
    },

    end(path: string, headerOffset: number): Refusal | undefined {
      const known = files.get(path);
      if (known?.ended) return { fault: 'reopened', detail: 'the file is ended twice' };
      if (next.get(path)?.seek) return { fault: 'offset', detail: 'a seek without bytes after it' };
      const file = known ?? open(path, false, headerOffset);
      file.ended = true;
      file.to = headerOffset;
      next.delete(path);
      return undefined;
    },

    /**
     * MariaDB. A source that is not there is no fault of the stream but a question for the verdict (but
     * for .ARM, which a table of ARCHIVE has only while it is optimised); a target in an unknown directory is not there after `mbstream -x` either.
     */
    rename(path: string, newPath: string): Refusal | undefined {
      const file = files.get(path);
      if (file?.ended === false || files.get(newPath)?.ended === false) {
        return { fault: 'still-open', detail: `a rename to ${newPath} while a file is open` };
      }
      const slash = newPath.lastIndexOf('/');
      if (file === undefined || (slash > 0 && !directories.has(newPath.slice(0, slash)))) {
        if (path.endsWith('.ARM')) return undefined;
        missedRenames.delete(path);
        missedRenames.set(newPath, path);
        return undefined;
      }
      forget(path);
      files.set(newPath, file);
      missedRenames.delete(newPath);
      strays.delete(newPath);
      return undefined;
    },

    /**
     * MariaDB: a file, a directory with all in it, or a prefix ending in `*` (the partitions of a table). What
     * was never streamed may be removed: a table that was created and dropped meanwhile, a .frm not yet copied.
     */
    remove(path: string): Refusal | undefined {
      const pattern = path.endsWith('*');
      const gone: string[] = [];
      const directory = !pattern && !files.has(path);
      missedRenames.delete(path);
      if (files.has(path)) gone.push(path);
      else if (pattern || directories.has(path)) {
        const prefix = pattern ? path.slice(0, -1) : `${path}/`;
        for (const name of files.keys()) if (name.startsWith(prefix)) gone.push(name);
        for (const name of missedRenames.keys()) if (name.startsWith(prefix)) missedRenames.delete(name);
      }
      const open = gone.find((name) => files.get(name)?.ended === false);
      if (open !== undefined) return { fault: 'still-open', detail: `a removal while ${open} is open` };
      directories.delete(path);
      for (const name of gone) {
        forget(name);
        // mbstream 10.11.19 leaves what a pattern names where it is; who unpacks must remove it.
        if (pattern) strays.add(name);
        if (directory) goneWithDirectory.add(name);
      }
      return undefined;
    },
  };
}

export type FileTable = ReturnType<typeof makeFileTable>;
