import type { StreamedFile, XbstreamFailure, XbstreamFlavour } from './events.ts';

/** What a parser knows; `files` and the others are its own live maps, to be read once the stream has ended. */
export type XbstreamState = {
  flavour: XbstreamFlavour;
  failure: XbstreamFailure | undefined;
  streamBytes: number;
  /** The stream stands within a chunk: no legal end. */
  midChunk: boolean;
  /** Of several streams that are looked at as one: which stands within a chunk, and after how many bytes. */
  cut?: { stream: string; bytes: number };
  files: ReadonlyMap<string, Readonly<StreamedFile>>;
  /** MariaDB: renames whose file was not in the stream, new path to old; it is missing unless it came later. */
  missedRenames: ReadonlyMap<string, string>;
  /** Files that a removal of their directory took away; the tool may do so after it wrote the new ones of that name. */
  goneWithDirectory: ReadonlySet<string>;
  /** Files that a removal by pattern named; mbstream may leave them, so they must be removed after unpacking. */
  strays: ReadonlySet<string>;
  /** Content of metadata and .ren files, as far as it was small. */
  content: (path: string) => Buffer | undefined;
  bufferedBytes: number;
};
