import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { OpenTransaction, Xa } from '../../../../contract/formats/segment.ts';
import { type BinlogEvent, type LogFormat, makeEventReader } from './event-reader.ts';
import type { EventName } from './event-types.ts';
import {
  readGtidList,
  readMariadbGtid,
  readMysqlGtid,
  readPreviousGtids,
  readTaggedGtid,
  readXaPrepare,
  type TransactionHead,
} from './gtid-events.ts';
import { gtidText, type LogFlavour, makeGtidState } from './gtid-state.ts';
import { lookIntoPayload, type PayloadLook } from './payload.ts';
import { readStatement } from './statement.ts';
import { type GatheredTouches, gatherTouches } from './touches.ts';

/** One transaction as it stands in the log: all events from its GTID on. */
export type BinlogTransaction = {
  gtid: string;
  /** Offset of its first event in the file, and its length. */
  at: number;
  bytes: number;
  /** Microseconds since 1970; see `segmentTransactionSchema`. */
  time: number;
  ddl?: string;
  tables: [schema: string, table: string][];
  unsure: boolean;
  xa: Xa | null;
};

/** What the head of a file says: where the log stood before it. Null where the server keeps no GTIDs. */
export type LogHead = { gtid: string; end: number };

export type BinlogHandlers = {
  /** `stop`: go no further than the end of this transaction. */
  transaction: (transaction: BinlogTransaction) => 'stop' | undefined;
  /** After the last event of the file's head. */
  head?: (head: LogHead) => void;
  /** The log goes on in this file. */
  rotate?: (file: string) => void;
  /** Compressed transactions are looked into; otherwise they are unsure. */
  looksInto?: true;
  /** An event between transactions has ended at this offset. */
  between?: (end: number) => void;
};

/** Where to begin: at the head of a file, or at a boundary of transactions with the state there. */
export type BinlogStart =
  | { from: 0; flavour: LogFlavour }
  | { from: number; flavour: LogFlavour; gtid: string; format: LogFormat };

type Open = {
  head: TransactionHead;
  text: string;
  at: number;
  bracketed: boolean;
  touches: GatheredTouches;
  payload: PayloadLook | undefined;
  xa: Xa | null;
};

const betweenTransactions: ReadonlySet<EventName> = new Set<EventName>([
  'rotate',
  'stop',
  'binlogCheckpoint',
  'ignorable',
  'previousGtids',
  'gtidList',
  'formatDescription',
]);
const statements: ReadonlySet<EventName> = new Set<EventName>(['query', 'queryCompressed']);
/**
 * Reads the bytes of one binary log file in any pieces and groups its events into transactions. Pure; memory is
 * bounded, also for transactions of any size. Throws `Log.Damaged`, `Log.Encrypted`, `Log.Unsupported`, `Log.Gap`.
 */
export function makeBinlogParser(start: BinlogStart, handlers: BinlogHandlers) {
  const { flavour } = start;
  const inside = 'gtid' in start;
  let state = makeGtidState(flavour, inside ? start.gtid : '');
  let open: Open | undefined;
  let boundary = start.from;
  let headDone = inside;
  let pending: Promise<void> | undefined;

  const damaged = (event: BinlogEvent, what: string) =>
    new NamedError('Log.Damaged', `at offset ${event.at}: ${what}`, { offset: event.at });

  const begin = (event: BinlogEvent, head: TransactionHead) => {
    if (open) throw damaged(event, `a transaction begins before the one at ${open.at} has ended`);
    open = {
      head,
      text: head.gtid ? gtidText(flavour, head.gtid) : '',
      at: event.at,
      bracketed: false,
      touches: gatherTouches(),
      payload: undefined,
      xa: head.xa,
    };
  };

  const end = (event: BinlogEvent, of: Open) => {
    open = undefined;
    boundary = event.at + event.bytes;
    if (of.head.gtid) state.add(of.head.gtid);
    const { payload, touches } = of;
    const transaction: BinlogTransaction = {
      gtid: of.text,
      at: of.at,
      bytes: boundary - of.at,
      time: of.head.committed ?? event.time * 1_000_000,
      ...touches.found(),
      xa: of.xa,
    };
    const reading = payload?.read();
    const finish = () => {
      payload?.end();
      Object.assign(transaction, touches.found());
    };
    if (reading === undefined) finish();
    else pending = Promise.all([pending, reading.then(finish)]).then(() => {});
    return handlers.transaction(transaction);
  };

  /** True where the statement is the last event of its transaction. */
  const takeStatement = (event: BinlogEvent, of: Open): boolean => {
    const statement = readStatement(event);
    const word = statement.text.length > 16 ? '' : statement.text.trim().toUpperCase();
    const closes = word === 'COMMIT' || word === 'ROLLBACK';
    of.touches.statement(statement);
    const xaVerb = /^\s*XA\s+(START|BEGIN|COMMIT|ROLLBACK)\s+(.+?)\s*$/is.exec(statement.text.slice(0, 400));
    const verb = xaVerb?.[1]?.toUpperCase();
    if (verb === 'COMMIT' || verb === 'ROLLBACK') {
      const id = of.xa?.id ?? xaVerb![2]!.replace(/\s+ONE\s+PHASE$/i, '');
      of.xa = { id, does: verb === 'COMMIT' ? 'commit' : 'rollback' };
    }
    if (of.head.standalone !== null) return of.head.standalone || closes;
    if (of.bracketed) return closes;
    of.bracketed = word === 'BEGIN' || verb === 'START' || verb === 'BEGIN';
    return !of.bracketed;
  };

  const lookInto = (of: Open): PayloadLook => {
    of.payload ??= lookIntoPayload(of.touches);
    return of.payload;
  };

  const takeInside = (event: BinlogEvent, of: Open): 'stop' | undefined => {
    const { name } = event;
    if (statements.has(name)) return takeStatement(event, of) ? end(event, of) : undefined;
    of.touches.event(event);
    if (name === 'xid') return end(event, of);
    if (name === 'xaPrepare') {
      of.xa = readXaPrepare(event);
      return end(event, of);
    }
    if (name === 'transactionPayload') {
      if (handlers.looksInto !== true) of.touches.lose();
      else if (event.whole && of.payload === undefined) lookInto(of).push(event.body, true);
      return end(event, of);
    }
    if (name !== 'ignorable' && betweenTransactions.has(name)) {
      throw damaged(event, `the transaction at ${of.at} has no end before the event ${name}`);
    }
    return undefined;
  };

  const takeHead = (event: BinlogEvent) => {
    if (event.name === 'formatDescription') {
      const mariadb = reader.format()!.serverVersion.includes('MariaDB');
      if (mariadb !== (flavour === 'mariadb')) {
        throw new NamedError('Log.Unsupported', `the log is of ${reader.format()!.serverVersion}`, {});
      }
      return;
    }
    if (event.name === 'gtidList') state = makeGtidState(flavour, readGtidList(event));
    else if (event.name === 'previousGtids') state = makeGtidState(flavour, readPreviousGtids(event));
    else throw damaged(event, `the file must say which GTIDs are before it, and has the event ${event.name}`);
    headDone = true;
    handlers.head?.({ gtid: state.text(), end: event.at + event.bytes });
  };

  const take = (event: BinlogEvent): 'stop' | undefined => {
    const { name } = event;
    if (name === 'startEncryption') {
      throw new NamedError('Log.Encrypted', 'the server encrypts its binary logs (encrypt_binlog)');
    }
    if (name === 'incident') {
      // Its GTIDs go on as if nothing were missing: no backup of before leads into what follows.
      throw new NamedError('Log.DeadBranch', `at offset ${event.at} the server says that it lost events`, {
        offset: event.at,
      });
    }
    if (!headDone) {
      takeHead(event);
    } else if (name === 'mariadbGtid') {
      begin(event, readMariadbGtid(event));
      return undefined;
    } else if (name === 'gtid' || name === 'anonymousGtid') {
      begin(event, readMysqlGtid(event));
      return undefined;
    } else if (name === 'taggedGtid') {
      begin(event, readTaggedGtid(event));
      return undefined;
    } else if (open) {
      return takeInside(event, open);
    } else if (!betweenTransactions.has(name)) {
      throw damaged(event, `the event ${name} belongs to no transaction`);
    }
    if (name === 'rotate') handlers.rotate?.(event.body.subarray(8).toString('utf8'));
    boundary = event.at + event.bytes;
    handlers.between?.(boundary);
    return undefined;
  };

  const reader = makeEventReader(start.from, take, inside ? start.format : undefined, (_, piece) => {
    if (open && handlers.looksInto) lookInto(open).push(piece);
  });

  return {
    /** Answers how many bytes were taken: all, or up to the transaction at which to stop. */
    push: reader.push,
    /** What is in compressed transactions is unpacked beside: transactions are complete, and memory bounded, once it resolves. */
    settled: async (): Promise<void> => {
      await open?.payload?.read();
      await pending;
      pending = undefined;
    },
    /** Offset behind the last event that ended outside of any transaction, and where the log stands there. */
    boundary: () => boundary,
    gtid: () => state.text(),
    format: reader.format,
    /** The transaction in whose middle the bytes so far end. */
    open: (): OpenTransaction | null => (open ? { gtid: open.text, at: open.at } : null),
    /** Offset behind the last complete event. */
    at: reader.at,
    held: reader.held,
    midEvent: reader.midEvent,
  };
}

export type BinlogParser = ReturnType<typeof makeBinlogParser>;
