import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type {
  OpenTransaction,
  SegmentHeader,
  SegmentTransaction,
} from '../../../../contract/formats/segment.ts';
import { encodeSegmentHeader, encodeSegmentIndex } from '../../../../contract/formats/segment-codec.ts';
import { segmentKey, segmentPlaceOf } from '../../../../contract/layout.ts';
import { type Compressor, makeCompressor } from '../../../stream/zstd-compressor.ts';
import type { BinlogTransaction } from './parser.ts';

/** A log frame stands for so much; a reader that wants one transaction decompresses no more. */
const frameBytes = 4 * 1024 * 1024;

/** The piece of a log that is being gathered. Bytes behind the last boundary wait for the next segment. */
export type SegmentDraft = {
  from: number;
  to: number;
  startGtid: string;
  openBefore: OpenTransaction | null;
  pieces: Buffer[];
  transactions: BinlogTransaction[];
  looks: { to: number; at: Date }[];
};

export const emptyDraft = (
  from: number,
  startGtid: string,
  openBefore: OpenTransaction | null,
): SegmentDraft => ({
  from,
  to: from,
  startGtid,
  openBefore,
  pieces: [],
  transactions: [],
  looks: [],
});

/** Cuts a draft at `to`: what shall be sealed, and the draft that keeps the bytes behind it. */
export function cutDraft(
  draft: SegmentDraft,
  to: number,
  gtid: string,
  open: OpenTransaction | null,
): { sealed: SegmentDraft; rest: SegmentDraft } {
  const sealed = { ...emptyDraft(draft.from, draft.startGtid, draft.openBefore), to };
  const rest = emptyDraft(to, gtid, open);
  rest.to = draft.to;
  let at = draft.from;
  for (const piece of draft.pieces) {
    const mine = Math.max(0, Math.min(piece.length, to - at));
    if (mine > 0) sealed.pieces.push(piece.subarray(0, mine));
    if (mine < piece.length) rest.pieces.push(piece.subarray(mine));
    at += piece.length;
  }
  for (const transaction of draft.transactions) {
    (transaction.at + transaction.bytes <= to ? sealed : rest).transactions.push(transaction);
  }
  for (const look of draft.looks) {
    if (look.to <= to) sealed.looks.push(look);
    else {
      // What lies before the cut was seen in this look as well.
      if ((sealed.looks.at(-1)?.to ?? draft.from) < to) sealed.looks.push({ to, at: look.at });
      rest.looks.push(look);
    }
  }
  return { sealed, rest };
}

/** What a segment says beside what is in it. */
export type SegmentFacts = Omit<
  SegmentHeader,
  't' | 'v' | 'start' | 'end' | 'openBefore' | 'commits' | 'seen' | 'transactions' | 'ddl' | 'frames' | 'log'
> & { log: Pick<SegmentHeader['log'], 'file' | 'last' | 'checksum' | 'head'>; endGtid: string };

export type SealedSegment = { key: string; body: Buffer; crc: number; header: SegmentHeader };

function indexOf(draft: SegmentDraft) {
  const places = new Map<string, number>();
  const tables: [string, string][] = [];
  const placeOf = (table: [string, string]) => {
    const name = table.join('\0');
    let place = places.get(name);
    if (place === undefined) {
      place = tables.push(table) - 1;
      places.set(name, place);
    }
    return place;
  };
  const transactions: SegmentTransaction[] = draft.transactions.map((t) => ({
    gtid: t.gtid,
    at: t.at,
    bytes: t.bytes,
    time: t.time,
    ...(t.ddl === undefined ? {} : { ddl: t.ddl }),
    ...(t.tables.length === 0 ? {} : { tables: t.tables.map(placeOf) }),
    ...(t.unsure ? { unsure: true as const } : {}),
    ...(t.xa === null ? {} : { xa: t.xa }),
  }));
  const looks = draft.looks.map(({ to, at }) => ({ to, at: at.toISOString() }));
  return { t: 'index' as const, v: 1 as const, tables, transactions, looks };
}

/** Smallest and largest time, without spreading thousands of arguments. */
function commitsOf(transactions: readonly BinlogTransaction[]): SegmentHeader['commits'] {
  if (transactions.length === 0) return null;
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const { time } of transactions) {
    if (time < first) first = time;
    if (time > last) last = time;
  }
  return { first, last };
}

/** Makes what seals drafts; its compressor and buffers are used again. */
export function makeSealer(level = 1) {
  let compressor: Compressor | undefined;
  const compress = async (input: Buffer): Promise<Buffer> => {
    if (input.length > frameBytes) return Buffer.concat(await makeCompressor(level, input.length)(input));
    compressor ??= makeCompressor(level, frameBytes);
    return Buffer.concat(await compressor(input));
  };

  return async (draft: SegmentDraft, facts: SegmentFacts): Promise<SealedSegment> => {
    let crc = 0;
    const frames: { bytes: number; frame: Buffer }[] = [];
    let gathered: Buffer[] = [];
    let bytes = 0;
    const flush = async () => {
      if (bytes === 0) return;
      const input = gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered);
      frames.push({ bytes, frame: await compress(input) });
      gathered = [];
      bytes = 0;
    };
    for (const piece of draft.pieces) {
      crc = crc32(piece, crc);
      for (let at = 0; at < piece.length; ) {
        const part = piece.subarray(at, at + frameBytes - bytes);
        gathered.push(part);
        bytes += part.length;
        at += part.length;
        if (bytes === frameBytes) await flush();
      }
    }
    await flush();
    const { endGtid, log, ...ids } = facts;
    const indexText = Buffer.from(encodeSegmentIndex(indexOf(draft)));
    const index = await compress(indexText);
    const position = (gtid: string, offset: number) => ({
      kind: 'mysql' as const,
      flavour: facts.server.flavour,
      gtid,
      file: log.file,
      offset,
    });
    const header: SegmentHeader = {
      t: 'segment',
      v: 1,
      ...ids,
      log: { ...log, from: draft.from, to: draft.to, crc: crc.toString(16).padStart(8, '0') },
      start: position(draft.startGtid, draft.from),
      end: position(endGtid, draft.to),
      openBefore: draft.openBefore,
      commits: commitsOf(draft.transactions),
      seen: {
        first: (draft.looks[0]?.at ?? new Date(facts.sealedAt)).toISOString(),
        last: (draft.looks.at(-1)?.at ?? new Date(facts.sealedAt)).toISOString(),
      },
      transactions: draft.transactions.length,
      ddl: draft.transactions.filter(({ ddl }) => ddl !== undefined).length,
      frames: {
        index: { stored: index.length, bytes: indexText.length },
        log: frames.map(({ bytes: of, frame }) => ({ stored: frame.length, bytes: of })),
      },
    };
    const head = await compress(Buffer.from(encodeSegmentHeader(header)));
    const body = Buffer.concat([head, index, ...frames.map(({ frame }) => frame)]);
    // Days follow each other as segments do, whatever the host's clock says: control reads them in this order.
    const dayBefore = segmentPlaceOf(facts.previous?.key ?? '')?.day ?? '';
    const today = facts.sealedAt.slice(0, 10);
    const day = [today, dayBefore].toSorted().at(-1)!;
    const place = {
      clusterId: facts.clusterId,
      set: facts.set,
      timeline: facts.timeline,
      day,
      seq: facts.seq,
    };
    const key = segmentKey({ ...place, random: randomBytes(8).toString('hex') });
    return { key, body, crc: crc32(body), header };
  };
}

export type Sealer = ReturnType<typeof makeSealer>;
