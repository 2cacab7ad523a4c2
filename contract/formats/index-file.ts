import { z } from 'zod';
import { crc32Hex, mintedId, streamName } from '../records/ids.ts';

/**
 * The index of one job's streams: JSON lines, zstd-compressed, written after the tool's verdict and before the
 * manifest. Rows appear in the order of the stream; a reader takes what it needs and skips kinds it does not know.
 * Short field names: a backup of 1 TB has about 105,000 chunk rows and 250,000 frame rows.
 */
export const indexHeadSchema = z.object({
  t: z.literal('head'),
  v: z.literal(1),
  clusterId: z.string(),
  backupId: mintedId,
  jobId: mintedId,
});

/** One stored object: `n` counts from 0, `bytes` as stored, `crc` of the stored bytes, `version` as S3 answered (null: not versioned, or the answer to the put that stored it was lost). */
export const indexVolumeSchema = z.object({
  t: z.literal('volume'),
  stream: streamName,
  n: z.int().min(0),
  bytes: z.int().min(1),
  crc: crc32Hex,
  version: z.string().nullable(),
});

/** One frame: in volume `n` at `at`, `stored` bytes there, standing for `bytes` of the stream from `from`. */
export const indexFrameSchema = z.object({
  t: z.literal('frame'),
  stream: streamName,
  n: z.int().min(0),
  at: z.int().min(0),
  stored: z.int().min(1),
  from: z.int().min(0),
  bytes: z.int().min(1),
});

/**
 * One piece of a file: bytes `off`…`off+bytes` of `path` lie in the stream at `from`. Where there is a `sparse` map
 * (XtraBackup), its pairs say how many bytes of the file to skip and then how many of the piece to write.
 */
export const indexChunkSchema = z.object({
  t: z.literal('chunk'),
  stream: streamName,
  path: z.string(),
  off: z.int().min(0),
  bytes: z.int().min(0),
  from: z.int().min(0),
  crc: crc32Hex,
  sparse: z.array(z.tuple([z.int().min(0), z.int().min(0)])).optional(),
});

/**
 * A file as it is after the whole stream, renames and deletions applied. Its content is in the chunks that came as
 * `chunks.path` and lie in the stream from `chunks.from` up to `chunks.to`, in their order (a later one wins); without
 * `chunks`, in all chunks of its path.
 */
export const indexFileSchema = z.object({
  t: z.literal('file'),
  stream: streamName,
  path: z.string(),
  bytes: z.int().min(0),
  chunks: z.object({ path: z.string(), from: z.int().min(0), to: z.int().min(0) }).optional(),
  /** Of a logical backup: the table that the file is of, and how many rows of it the file has. */
  table: z.object({ schema: z.string(), table: z.string() }).optional(),
  rows: z.int().min(0).optional(),
  /**
   * Of a tablespace of InnoDB (`.ibd`, `.new`) and of the note beside its changed pages (`.meta`): its number, which
   * stays when it is renamed. Indexes of earlier releases do not say it.
   */
  space: z.int().min(0).optional(),
});

export const indexRowSchema = z.discriminatedUnion('t', [
  indexHeadSchema,
  indexVolumeSchema,
  indexFrameSchema,
  indexChunkSchema,
  indexFileSchema,
]);

export type IndexHead = z.infer<typeof indexHeadSchema>;
export type IndexVolume = z.infer<typeof indexVolumeSchema>;
export type IndexFrame = z.infer<typeof indexFrameSchema>;
export type IndexChunk = z.infer<typeof indexChunkSchema>;
export type IndexFile = z.infer<typeof indexFileSchema>;
export type IndexRow = z.infer<typeof indexRowSchema>;
