import { constants, createZstdDecompress, zstdDecompressSync } from 'node:zlib';
import { makeEventReader } from './event-reader.ts';
import type { EventName } from './event-types.ts';
import { readStatement } from './statement.ts';
import type { GatheredTouches } from './touches.ts';

/**
 * Larger windows are not held: 16 MiB, what zstd takes up to level 19 (binlog_transaction_compression_level_zstd is 3 by
 * default). Transactions that need one stay unsure.
 */
const windowLog = 24;
/** What unpacks to no more than this is unpacked in one go. */
const atOnce = 1024 * 1024;
const pieceBytes = 64 * 1024;
const params = { [constants.ZSTD_d_windowLogMax]: windowLog };

type PayloadHead = { zstd: boolean; unpacked: number; at: number };

/**
 * The fields before a payload (transaction_payload_event in control_events.h): type, length and value as packed numbers;
 * 1 is its size, 2 how it is compressed (0 zstd, 255 not at all), 3 its size unpacked, 0 their end. Undefined where
 * `bytes` do not reach so far; throws where they are none.
 */
export function readPayloadHead(bytes: Buffer): PayloadHead | undefined {
  let at = 0;
  let short = false;
  const number = (): number => {
    const first = bytes[at++];
    if (first === undefined) {
      short = true;
      return 0;
    }
    if (first < 251) return first;
    const width = { 252: 2, 253: 3, 254: 8 }[first];
    if (width === undefined) throw new Error(`${first} begins no packed number`);
    at += width;
    if (at > bytes.length) {
      short = true;
      return 0;
    }
    return width === 8 ? Number(bytes.readBigUInt64LE(at - 8)) : bytes.readUIntLE(at - width, width);
  };
  const head = { zstd: true, unpacked: Number.POSITIVE_INFINITY, at: 0 };
  for (let fields = 0; fields < 16; fields++) {
    const type = number();
    if (short) return undefined;
    if (type === 0) return { ...head, at };
    const end = number() + at;
    if (short || end > bytes.length) return undefined;
    if (type === 2) {
      const compression = number();
      if (compression !== 0 && compression !== 255)
        throw new Error(`compression ${compression} is not known`);
      head.zstd = compression === 0;
    } else if (type === 3) head.unpacked = number();
    at = end;
  }
  throw new Error('its fields do not end');
}

/** Reads events that have no checksums, and positions of no file; throws where they are none. */
function makeInnerReader(touches: GatheredTouches) {
  let last: EventName | undefined;
  const reader = makeEventReader(
    0,
    (event) => {
      last = event.name;
      if (event.name === 'query') touches.statement(readStatement(event));
      else if (event.name === 'transactionPayload') touches.lose();
      else touches.event(event);
      return undefined;
    },
    { checksum: 'none', serverVersion: '', packed: true },
  );
  /** A transaction ends with its commit. */
  const whole = () => !reader.midEvent() && (last === 'xid' || last === 'query');
  return { push: reader.push, whole };
}

/**
 * Looks into the compressed transaction of one event, whose bytes come in pieces as they are read. Memory is bounded
 * (piece, window, the beginning of one event). What cannot be read makes the transaction unsure and nothing else: its
 * bytes are archived as they are.
 */
export function lookIntoPayload(touches: GatheredTouches) {
  const reader = makeInnerReader(touches);
  let head: PayloadHead | undefined;
  let before: Buffer = Buffer.alloc(0);
  let lost = false;
  let unpacked = 0;
  let stream: ReturnType<typeof createZstdDecompress> | undefined;
  let work: Promise<void> | undefined;
  const closed = Promise.withResolvers<void>();

  const lose = () => {
    lost = true;
    touches.lose();
    stream?.destroy();
  };
  const guarded = (read: () => void) => {
    if (lost) return;
    try {
      read();
    } catch {
      lose();
    }
  };
  const readInner = (bytes: Buffer) => {
    unpacked += bytes.length;
    reader.push(bytes);
  };
  const unpack = (bytes: Buffer) => {
    if (stream === undefined) {
      stream = createZstdDecompress({ chunkSize: pieceBytes, params });
      stream.on('data', (piece: Buffer) => guarded(() => readInner(piece)));
      stream.on('error', () => lost || lose());
      stream.once('close', closed.resolve);
    }
    const into = stream;
    const write = () =>
      new Promise<void>((done) => {
        if (lost) return done();
        into.write(bytes, () => {
          // What the stream still holds comes out as data while it is read.
          while (!lost && into.readableLength > 0 && into.read() !== null);
          done();
        });
      });
    // A write that fails does not come back.
    work = (work ?? Promise.resolve()).then(() => Promise.race([write(), closed.promise]));
  };
  const take = (bytes: Buffer, all: boolean) => {
    if (head === undefined) {
      before = before.length === 0 ? bytes : Buffer.concat([before, bytes]);
      head = readPayloadHead(before);
      if (head === undefined) {
        // More than its fields can have.
        if (before.length > pieceBytes || all) throw new Error('its fields do not end');
        return;
      }
      const rest = before.subarray(head.at);
      before = Buffer.alloc(0);
      if (all && head.zstd && head.unpacked <= atOnce) {
        readInner(zstdDecompressSync(rest, { maxOutputLength: atOnce, params }));
        return;
      }
      bytes = rest;
    }
    if (!head.zstd) readInner(bytes);
    else if (bytes.length > 0) unpack(bytes);
  };

  return {
    /** `all`: the whole event has come in one piece. */
    push: (bytes: Buffer, all = false) => guarded(() => take(bytes, all)),
    /** Resolves once everything that was pushed is read; undefined where it is already. */
    read: (): Promise<void> | undefined => work,
    /** No more comes: it must have been all that was packed, and end with its commit. Call after `read`. */
    end: () => {
      const whole = head !== undefined && unpacked === head.unpacked && reader.whole();
      if (!lost && !whole) touches.lose();
      stream?.destroy();
    },
  };
}

export type PayloadLook = ReturnType<typeof lookIntoPayload>;
