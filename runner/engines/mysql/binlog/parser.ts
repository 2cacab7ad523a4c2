import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { OpenTransaction, Xa } from '../../../../contract/formats/segment.ts';
import { statementKind } from './definition.ts';
import { type BinlogEvent, type LogFormat, makeEventReader } from './event-reader.ts';
import type { EventName } from './event-types.ts';
import {
  readGtidList,
  readMariadbGtid,
  readMysqlGtid,
  readPreviousGtids,
  readXaPrepare,
  type TransactionHead,
} from './gtid-events.ts';
import { gtidText, type LogFlavour, makeGtidState } from './gtid-state.ts';
import { readStatement, readTableMap } from './statement.ts';

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
  /** An event between transactions has ended at this offset. */
  between?: (end: number) => void;
};

/** Where to begin: at the head of a file, or at a boundary of transactions with the state there. */
export type BinlogStart =
  | { from: 0; flavour: LogFlavour }
  | { from: number; flavour: LogFlavour; gtid: string; format: LogFormat };

/** A transaction that touches more tables than this is one that may touch any. */
const mostTables = 1000;

type Open = {
  head: TransactionHead;
  text: string;
  at: number;
  bracketed: boolean;
  tables: Map<string, [string, string]>;
  ddl: string | undefined;
  unsure: boolean;
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
/** They carry what only a statement needs. */
const ofStatements: ReadonlySet<EventName> = new Set<EventName>([
  'intvar',
  'rand',
  'userVar',
  'appendBlock',
  'deleteFile',
  'beginLoadQuery',
  'executeLoadQuery',
]);

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

  const damaged = (event: BinlogEvent, what: string) =>
    new NamedError('Log.Damaged', `at offset ${event.at}: ${what}`, { offset: event.at });

  const begin = (event: BinlogEvent, head: TransactionHead) => {
    if (open) throw damaged(event, `a transaction begins before the one at ${open.at} has ended`);
    open = {
      head,
      text: head.gtid ? gtidText(flavour, head.gtid) : '',
      at: event.at,
      bracketed: false,
      tables: new Map(),
      ddl: undefined,
      unsure: false,
      xa: head.xa,
    };
  };

  const end = (event: BinlogEvent, of: Open) => {
    open = undefined;
    boundary = event.at + event.bytes;
    if (of.head.gtid) state.add(of.head.gtid);
    return handlers.transaction({
      gtid: of.text,
      at: of.at,
      bytes: boundary - of.at,
      time: of.head.committed ?? event.time * 1_000_000,
      ...(of.ddl === undefined ? {} : { ddl: of.ddl }),
      tables: [...of.tables.values()],
      unsure: of.unsure,
      xa: of.xa,
    });
  };

  const touch = (of: Open, table: [string, string]) => {
    if (of.tables.size < mostTables) of.tables.set(table.join('\0'), table);
    else of.unsure = true;
  };

  /** True where the statement is the last event of its transaction. */
  const takeStatement = (event: BinlogEvent, of: Open): boolean => {
    const statement = readStatement(event);
    const word = statement.text.length > 16 ? '' : statement.text.trim().toUpperCase();
    const closes = word === 'COMMIT' || word === 'ROLLBACK';
    const what = statementKind(statement);
    const xaVerb = /^\s*XA\s+(START|BEGIN|COMMIT|ROLLBACK)\s+(.+?)\s*$/is.exec(statement.text.slice(0, 400));
    const verb = xaVerb?.[1]?.toUpperCase();
    if (verb === 'COMMIT' || verb === 'ROLLBACK') {
      const id = of.xa?.id ?? xaVerb![2]!.replace(/\s+ONE\s+PHASE$/i, '');
      of.xa = { id, does: verb === 'COMMIT' ? 'commit' : 'rollback' };
    }
    if (what.kind === 'rows') of.unsure = true;
    if (what.kind === 'definition') {
      of.ddl ??= what.verb;
      of.unsure ||= what.unsure;
      for (const table of what.tables) touch(of, table);
    }
    if (of.head.standalone !== null) return of.head.standalone || closes;
    if (of.bracketed) return closes;
    of.bracketed = word === 'BEGIN' || verb === 'START' || verb === 'BEGIN';
    return !of.bracketed;
  };

  const takeInside = (event: BinlogEvent, of: Open): 'stop' | undefined => {
    const { name } = event;
    if (statements.has(name)) return takeStatement(event, of) ? end(event, of) : undefined;
    if (name === 'tableMap') touch(of, readTableMap(event));
    else if (ofStatements.has(name)) of.unsure = true;
    else if (name === 'xid') return end(event, of);
    else if (name === 'xaPrepare') {
      of.xa = readXaPrepare(event);
      return end(event, of);
    } else if (name === 'transactionPayload') {
      of.unsure = true;
      return end(event, of);
    } else if (name !== 'ignorable' && betweenTransactions.has(name)) {
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
      throw new NamedError('Log.Gap', `at offset ${event.at} the server says that it lost events`, {
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
      throw new NamedError(
        'Log.Unsupported',
        'the log holds GTIDs with tags, which are not read in this version',
      );
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

  const reader = makeEventReader(start.from, take, inside ? start.format : undefined);

  return {
    /** Answers how many bytes were taken: all, or up to the transaction at which to stop. */
    push: reader.push,
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
