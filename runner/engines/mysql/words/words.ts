import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { Channel } from '../channels.ts';
import type { Row, Session } from '../session.ts';
import { mariadbWords } from './mariadb.ts';
import { mysqlWords } from './mysql.ts';

/** What a family of servers calls things, by the version that a server told at its login. */
export type Words = {
  family: 'mariadb' | 'mysql';
  /** `10.11.19`, `9.7.4`: digits only. */
  version: string;
  channels: {
    show: string;
    read: (row: Row) => Channel;
    /** SQL that stops and starts the applier of one channel; its name is quoted here. */
    stopApplier: (name: string) => string;
    startApplier: (name: string) => string;
    /** Forgets all sources. */
    reset: string;
  };
  /** `n`: how many replicas read this server's log. */
  dumpThreads: string;
  tables: {
    /** `name`: `database/table` as files are named, of tables of InnoDB that have no file of their own. */
    withoutOwnFile: string;
    /** The same of those that have one: `<name>.ibd`. */
    withOwnFile: string;
    /** `child` and `parent` of every foreign key, named as files are, or as users do with `child_schema`, `parent_schema`. */
    foreignKeys: string;
    /** `id` and `name` of every table of InnoDB, also of those behind FULLTEXT. */
    numbers: string;
    /** `path` below the data directory and `bytes` of every tablespace. */
    sizes: string;
    /** `path` of every file that the server keeps data in, as it names it. */
    paths: string;
  };
  /** Begins the binary logs and what is known of GTIDs anew. */
  resetLogs: string;
  /** Bytes of redo since the last checkpoint; undefined where the server does not say. */
  redoSinceCheckpoint: (session: Session) => Promise<number | undefined>;
  /** Bytes of the redo log as configured. */
  redoBytes: (variables: Readonly<Record<string, string>>) => number | undefined;
  /** Columns of information_schema.SCHEMATA that define a database. */
  databaseColumns: string;
  /** Columns of information_schema.VIEWS that define a view. */
  viewColumns: string;
  /** Routines and events, a row each, without what only says when something happened. */
  routines: string[];
  events: string;
  /** Tables of accounts and grants; of each row the fields of `volatile` are left out. */
  accounts: { tables: { name: string; select: string }[]; volatile: readonly string[] };
  /** Where the member stands now: applied on a replica, written elsewhere. */
  currentPosition: (session: Session, applied: boolean) => Promise<MysqlPosition | null>;
  /** Opens a consistent snapshot in this session and says its position; null where it cannot be told. */
  openSnapshot: (session: Session, applied: boolean) => Promise<MysqlPosition | null>;
};

/**
 * The words of a server that said this `VERSION()`. Every MySQL has some: which lines are supported is for the
 * inspection to say.
 */
export function wordsOf(version: string): Words {
  const digits = /\d+\.\d+\.\d+/.exec(version)?.[0] ?? '';
  return version.includes('MariaDB') ? mariadbWords(digits) : mysqlWords(digits);
}
