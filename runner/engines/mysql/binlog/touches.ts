import { statementKind } from './definition.ts';
import type { BinlogEvent } from './event-reader.ts';
import type { EventName } from './event-types.ts';
import { readTableMap, type Statement } from './statement.ts';

/** What a transaction touches, as its events say. */
export type Touches = {
  tables: [schema: string, table: string][];
  /** The words that its first change of definitions begins with. */
  ddl?: string;
  /** It may touch more than that. */
  unsure: boolean;
};

/** A transaction that touches more tables than this is one that may touch any. */
const mostTables = 1000;

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

/** Every one of them stands behind the table map that it is about. */
const rowEvents: ReadonlySet<EventName> = new Set<EventName>([
  'writeRowsV1',
  'updateRowsV1',
  'deleteRowsV1',
  'writeRows',
  'updateRows',
  'deleteRows',
  'partialUpdateRows',
]);

/** Gathers what the events of one transaction touch. Memory is bounded, whatever they are. */
export function gatherTouches() {
  const tables = new Map<string, [string, string]>();
  let ddl: string | undefined;
  let unsure = false;

  const touch = (table: [string, string]) => {
    if (tables.size < mostTables) tables.set(table.join('\0'), table);
    else unsure = true;
  };

  return {
    statement: (statement: Statement) => {
      const what = statementKind(statement);
      if (what.kind === 'rows') unsure = true;
      if (what.kind !== 'definition') return;
      ddl ??= what.verb;
      unsure ||= what.unsure;
      for (const table of what.tables) touch(table);
    },
    /** Takes an event that is no statement. */
    event: (event: BinlogEvent) => {
      if (event.name === 'tableMap') touch(readTableMap(event));
      else if (ofStatements.has(event.name)) unsure = true;
      else if (rowEvents.has(event.name) && tables.size === 0) unsure = true;
    },
    /** What cannot be looked into may touch anything. */
    lose: () => {
      unsure = true;
    },
    found: (): Touches => ({ tables: [...tables.values()], ...(ddl === undefined ? {} : { ddl }), unsure }),
  };
}

export type GatheredTouches = ReturnType<typeof gatherTouches>;
