import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { OpenTransaction } from '../../../../contract/formats/segment.ts';
import type { LogFile } from './log-file.ts';
import type { LogPlace } from './log-place.ts';
import type { LogLook } from './log-source.ts';
import { type BinlogParser, makeBinlogParser } from './parser.ts';
import { emptyDraft, type SegmentDraft } from './segment-draft.ts';

/** A log file that is being read, and what of it waits to be sealed. */
export type Reading = {
  file: LogFile;
  parser: BinlogParser;
  /** Where the log stands at the parser's boundary; empty where transactions have no GTIDs, whatever the file's head says. */
  gtid: () => string;
  checksum: 'crc32' | 'none';
  draft: SegmentDraft;
  /** Offset of the next byte to read. */
  readTo: number;
  /** The file's head, until a segment has carried it. */
  head: Buffer | undefined;
  /** Offset of the next byte that is archived: bytes read before it are only looked at. */
  keepFrom: number;
};

/** What becomes of a log whose transactions change between having GTIDs and having none: they cannot be joined. */
const modeChanged = (file: string, at: number, gtids: boolean) =>
  new NamedError(
    'Log.DeadBranch',
    `${file} at ${at}: a transaction ${gtids ? 'without a GTID' : 'with a GTID'}: gtid_mode was changed, and what is behind it cannot be joined to what is before`,
    { file, offset: at },
  );

/** Begins to read at a place; a transaction with which a segment has reached `segmentBytes` stops the parser. */
export function beginReading(
  place: LogPlace,
  { flavour, gtids }: Pick<LogLook, 'flavour' | 'gtids'>,
  openBefore: OpenTransaction | null,
  segmentBytes: number,
): Reading {
  const { file, head, from, parseFrom, gtid, entered } = place;
  const opened: Reading = {
    file,
    parser: undefined as unknown as BinlogParser,
    gtid: () => (gtids ? opened.parser.gtid() : ''),
    checksum: head.format.checksum,
    draft: emptyDraft(from, gtid, openBefore),
    readTo: parseFrom,
    head: entered ? head.bytes : undefined,
    keepFrom: from,
  };
  opened.parser = makeBinlogParser(
    parseFrom === 0
      ? { from: 0, flavour }
      : { from: parseFrom, flavour, gtid: place.gtid, format: head.format },
    {
      looksInto: true,
      transaction: (transaction) => {
        const { gtid: own, at, bytes } = transaction;
        if ((own !== '') !== gtids) throw modeChanged(file.name, at, gtids);
        opened.draft.transactions.push(transaction);
        return at + bytes - opened.draft.from >= segmentBytes ? 'stop' : undefined;
      },
    },
  );
  return opened;
}

/** Takes what was read; stops behind a transaction with which the segment is large enough. Answers how much was taken. */
export async function takeBytes(of: Reading, bytes: Buffer): Promise<number> {
  const taken = of.parser.push(bytes);
  await of.parser.settled();
  const part = bytes.subarray(0, taken);
  const skip = Math.max(0, Math.min(part.length, of.keepFrom - of.readTo));
  if (skip < part.length) of.draft.pieces.push(part.subarray(skip));
  of.readTo += taken;
  of.draft.to = Math.max(of.draft.from, of.readTo);
  return taken;
}

/** Notes that everything that was read so far was there at this look. */
export function noteLook({ draft }: Reading, at: Date): void {
  const latest = draft.looks.at(-1);
  if (latest?.at.getTime() === at.getTime()) latest.to = draft.to;
  else if (draft.to > (latest?.to ?? draft.from)) draft.looks.push({ to: draft.to, at });
}

/** Bytes that wait to be sealed, and those of them that end with a transaction. */
export const gathered = ({ draft }: Reading) => Math.max(0, draft.to - draft.from);
export const closed = ({ parser, draft }: Reading) => parser.boundary() - draft.from;

/** The file that is read is no longer what the server calls by its name. */
export const replaced = ({ file, readTo }: Reading, limit: number) =>
  new NamedError(
    'Log.DeadBranch',
    `${file.name} was read up to ${readTo} and now ends at ${limit}: the server has begun its log anew`,
    { file: file.name },
  );
