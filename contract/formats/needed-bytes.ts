import type { IndexChunk, IndexFile, IndexFrame } from './index-file.ts';

/** Rows of one stream of an index, read anew at each call: an index is longer than what is needed of it. */
export type IndexRows = {
  files: () => AsyncIterable<IndexFile>;
  chunks: () => AsyncIterable<IndexChunk>;
};

/** A file that is wanted, and what for. */
export type NeededFile<R extends string> = IndexFile & { role: R };

/** A piece of a wanted file: `bytes` of the stream at `from` go to `off` of the file. */
export type NeededChunk<R extends string> = {
  file: NeededFile<R>;
  off: number;
  bytes: number;
  from: number;
  crc: string;
};

export type Needed<R extends string> = {
  files: NeededFile<R>[];
  /** In the order of the stream. */
  chunks: NeededChunk<R>[];
  /** What the index lacks of the wanted files, a sentence each; empty for a sound one. */
  faults: string[];
};

/** A log that is continued while it is copied may be written with holes. */
const mayHaveHoles = /^aria_log\./;

/**
 * What must be read of a stream to have some files of it.
 * @param roleOf what a file is wanted for; undefined where it is not
 */
export async function neededOf<R extends string>(
  rows: IndexRows,
  roleOf: (path: string) => R | undefined,
): Promise<Needed<R>> {
  const files: NeededFile<R>[] = [];
  /** A name may have had several files, one after the other. */
  const bySource = new Map<string, NeededFile<R>[]>();
  for await (const row of rows.files()) {
    const role = roleOf(row.path);
    if (role === undefined) continue;
    const file = { ...row, role };
    files.push(file);
    const source = row.chunks?.path ?? row.path;
    bySource.set(source, [...(bySource.get(source) ?? []), file]);
  }

  const chunks: NeededChunk<R>[] = [];
  const faults: string[] = [];
  for await (const row of rows.chunks()) {
    // The header of a chunk lies before its payload, that of the file's end behind.
    const file = bySource
      .get(row.path)
      ?.find(({ chunks: of }) => of === undefined || (row.from > of.from && row.from < of.to));
    if (file === undefined) continue;
    if (row.sparse !== undefined) faults.push(`${file.path} has holes that are told by a map`);
    if (row.bytes > 0) chunks.push({ file, off: row.off, bytes: row.bytes, from: row.from, crc: row.crc });
  }
  chunks.sort((a, b) => a.from - b.from);
  return { files, chunks, faults: [...faults, ...gaps(files, chunks)] };
}

function gaps<R extends string>(
  files: readonly NeededFile<R>[],
  chunks: readonly NeededChunk<R>[],
): string[] {
  const faults: string[] = [];
  const ends = new Map(files.map((file) => [file, 0]));
  let streamEnd = 0;
  for (const { file, off, bytes, from } of chunks) {
    const end = ends.get(file) ?? 0;
    if (off > end && !mayHaveHoles.test(file.path)) {
      faults.push(`nothing is said of bytes ${end} to ${off} of ${file.path}`);
    }
    if (from < streamEnd) faults.push(`two pieces lie at ${from} of the stream (${file.path})`);
    streamEnd = from + bytes;
    ends.set(file, Math.max(end, off + bytes));
  }
  for (const [file, end] of ends) {
    if (end !== file.bytes) faults.push(`${file.path} has ${file.bytes} bytes and pieces up to ${end}`);
  }
  return faults;
}

/** Bytes of one frame that are needed, by what for. */
export type Share<R extends string> = ReadonlyMap<R, number>;

/**
 * Asked of each frame of a stream in order, says which bytes of it are needed, by what for; undefined where none are.
 * @param chunks as `neededOf` gives them
 */
export function makeFrameShare<R extends string>(chunks: readonly NeededChunk<R>[]) {
  let next = 0;
  return (frame: Pick<IndexFrame, 'from' | 'bytes'>): Share<R> | undefined => {
    const end = frame.from + frame.bytes;
    while (next < chunks.length && chunks[next]!.from + chunks[next]!.bytes <= frame.from) next += 1;
    let share: Map<R, number> | undefined;
    for (let i = next; i < chunks.length && chunks[i]!.from < end; i++) {
      const { from, bytes, file } = chunks[i]!;
      const overlap = Math.min(end, from + bytes) - Math.max(frame.from, from);
      share ??= new Map();
      share.set(file.role, (share.get(file.role) ?? 0) + overlap);
    }
    return share;
  };
}

/** Sums, in stored bytes. */
export type NeededBytes<R extends string> = {
  /** What these files take of what is stored: their share of each frame. */
  stored: Record<R, number>;
  /** What is read for them: whole frames, each counted for the first of `roles` that needs it. */
  read: Record<R, number>;
  frames: number;
};

/** Counts, frame by frame in order, what reading the chunks comes to. */
export async function countNeeded<R extends string>(
  chunks: readonly NeededChunk<R>[],
  frames: AsyncIterable<IndexFrame>,
  roles: readonly R[],
): Promise<NeededBytes<R>> {
  const zero = () => Object.fromEntries(roles.map((role) => [role, 0])) as Record<R, number>;
  const counted = { stored: zero(), read: zero(), frames: 0 };
  const shareOf = makeFrameShare(chunks);
  for await (const frame of frames) {
    const share = shareOf(frame);
    if (share === undefined) continue;
    counted.frames += 1;
    const first = roles.find((role) => share.has(role));
    if (first !== undefined) counted.read[first] += frame.stored;
    for (const [role, bytes] of share) counted.stored[role] += (frame.stored * bytes) / frame.bytes;
  }
  for (const role of roles) counted.stored[role] = Math.round(counted.stored[role]);
  return counted;
}
