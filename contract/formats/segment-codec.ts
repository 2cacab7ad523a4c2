import { NamedError } from '../errors/named-error.ts';
import { decode } from './codec.ts';
import {
  type SegmentHeader,
  type SegmentIndex,
  segmentHeaderSchema,
  segmentIndexSchema,
  segmentVersion,
} from './segment.ts';

/** Decompresses one whole zstd frame. (Node's one-call function ignores what follows the first one.) */
export type Decompress = (frame: Uint8Array) => Uint8Array;

/** What is read first of a segment: a header has about 1 KiB, more only with many sources of GTIDs. */
export const segmentHeadBytes = 64 * 1024;

/** The text of the header's frame. */
export const encodeSegmentHeader = (header: SegmentHeader): string => `${JSON.stringify(header)}\n`;

/** The text of the index's frame. */
export const encodeSegmentIndex = (index: SegmentIndex): string => `${JSON.stringify(index)}\n`;

const short = (bytes: Uint8Array, need: number) => bytes.length < need;

/**
 * How many bytes the first zstd frame of `bytes` takes; undefined where it is not there in full. Format: RFC 8878, 3.1.1:
 * magic, descriptor with the sizes of the fields after it, blocks with a header of three bytes, checksum.
 * Throws `Log.Damaged` for anything else.
 */
export function firstFrameBytes(bytes: Uint8Array): number | undefined {
  if (short(bytes, 5)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== 0xfd2fb528) {
    throw new NamedError('Log.Damaged', 'a segment must begin with a zstd frame');
  }
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const content = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const checksum = (descriptor & 4) !== 0 ? 4 : 0;
  let at = 5 + (single ? 0 : 1) + dictionary + content;
  for (let last = false; !last; ) {
    if (short(bytes, at + 3)) return undefined;
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (head & 1) !== 0;
    const kind = (head >> 1) & 3;
    if (kind === 3) throw new NamedError('Log.Damaged', 'a zstd frame of the segment has a reserved block');
    at += 3 + (kind === 1 ? 1 : head >> 3);
  }
  return short(bytes, at + checksum) ? undefined : at + checksum;
}

/** Where the frames of a segment lie, `[from, to)` of the stored object, those of the log in their order. */
export type SegmentParts = {
  header: SegmentHeader;
  index: { from: number; to: number };
  log: { from: number; to: number; bytes: number }[];
  bytes: number;
};

/**
 * Reads the header from the first bytes of a stored segment; undefined where they do not reach to its end.
 * Throws `Log.Damaged`, `Input.Invalid` with the path, `Format.Newer`.
 */
export function readSegmentHead(head: Uint8Array, decompress: Decompress): SegmentParts | undefined {
  const stored = firstFrameBytes(head);
  if (stored === undefined) return undefined;
  const header = decode(
    segmentHeaderSchema,
    'segment header',
    segmentVersion,
    inflated(head.subarray(0, stored), decompress),
  );
  const index = { from: stored, to: stored + header.frames.index.stored };
  let at = index.to;
  const log = header.frames.log.map((frame) => {
    const from = at;
    at += frame.stored;
    return { from, to: at, bytes: frame.bytes };
  });
  return { header, index, log, bytes: at };
}

/** Reads the index from its frame. Throws `Log.Damaged`, `Input.Invalid` with the path, `Format.Newer`. */
export const readSegmentIndex = (frame: Uint8Array, decompress: Decompress): SegmentIndex =>
  decode(segmentIndexSchema, 'segment index', segmentVersion, inflated(frame, decompress));

function inflated(frame: Uint8Array, decompress: Decompress): Uint8Array {
  try {
    return decompress(frame);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new NamedError(
      'Log.Damaged',
      `a frame of the segment cannot be decompressed: ${said}`,
      {},
      { cause },
    );
  }
}
