import { type DumperLine, namesRefused, type TableRef } from './dump-files.ts';
import { dumperLine } from './dumper.ts';

/** What a server holds, as far as a dump may lose or bend it. Objects are named `schema.object`. */
export type LogicalFacts = {
  flavour: 'mariadb' | 'mysql';
  serverVersion: string;
  toolVersion: string | null;
  role: 'primary' | 'replica' | 'standalone';
  sqlMode: string;
  /** One line of SHOW GRANTS each. */
  grants: readonly string[];
  tables: readonly (TableRef & { type: string; engine: string })[];
  schemas: readonly string[];
  outsideDatadir: readonly string[];
  /** Columns that no expression makes, by what is odd about them. */
  floatColumns: readonly string[];
  invisibleColumns: readonly string[];
  /** Columns with a backtick in their names, which neither line doubles where it names the columns of a statement. */
  backtickColumns: readonly string[];
  /** MySQL marks a column with an expression as its default with DEFAULT_GENERATED. */
  defaultGenerated: readonly string[];
  vectorColumns: readonly string[];
  /** UUID, INET4 and INET6: dumped as text and loaded as bytes, they come back as NULL without an error (10.11, measured). */
  addressColumns: readonly string[];
  /** Tables of MySQL in a tablespace that others share, which a new server has not. */
  sharedSpace: readonly string[];
  /** Views that name something that is not there. */
  brokenViews: readonly string[];
  /** Routines, triggers and events of another client character set than utf8 that hold other letters than ASCII. */
  otherLetters: readonly string[];
};

/** Engines whose tables are this server's own and can be read and written by SQL. */
const dumped = new Set(['innodb', 'aria', 'myisam', 'csv', 'archive', 'memory', 'rocksdb']);
const transactional = new Set(['innodb', 'rocksdb']);
/** What a dump reads besides what every backup needs. */
const privileges = ['TRIGGER', 'EVENT', 'SHOW VIEW'];

const few = (names: readonly string[]) =>
  names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;

function missing(grants: readonly string[]): string[] {
  const held = new Set(
    grants.flatMap((grant) => /^GRANT (.+) ON \*\.\* TO /.exec(grant)?.[1]?.split(', ') ?? []),
  );
  return held.has('ALL PRIVILEGES') ? [] : privileges.filter((name) => !held.has(name));
}

function toolReason({ flavour, serverVersion, toolVersion }: LogicalFacts): string | undefined {
  if (toolVersion === null) return 'mydumper is not on this host';
  const line = dumperLine(toolVersion);
  if (line === undefined) {
    return `mydumper ${toolVersion} is neither of 0.10 nor of 1.x, whose options are known`;
  }
  const [major = 0, minor = 0] = serverVersion.split('.').map(Number);
  if (line === '0.10' && flavour === 'mysql' && (major > 8 || (major === 8 && minor >= 4))) {
    return `mydumper ${toolVersion} asks by SHOW MASTER STATUS, which MySQL ${serverVersion} does not know; mydumper 1.x is needed`;
  }
  return undefined;
}

/**
 * Why a logical backup of this member would not be the whole truth (M09), a sentence each; empty when it is. What is
 * listed here is lost or bent by mydumper without a word; what is not is proven by restores that are compared.
 */
export function logicalRefusals(facts: LogicalFacts): string[] {
  const reasons: string[] = [];
  const say = (names: readonly string[], sentence: (list: string) => string) => {
    if (names.length > 0) reasons.push(sentence(few(names)));
  };
  const ofType = (test: (table: LogicalFacts['tables'][number]) => boolean) =>
    facts.tables.filter(test).map(({ schema, table }) => `${schema}.${table}`);

  const tool = toolReason(facts);
  if (tool !== undefined) reasons.push(tool);
  say(missing(facts.grants), (list) => `the account lacks ${list} ON *.*, which a dump needs`);
  if (facts.sqlMode.split(',').includes('NO_BACKSLASH_ESCAPES')) {
    reasons.push('sql_mode has NO_BACKSLASH_ESCAPES, with which mydumper writes strings that cannot be read');
  }
  say(
    ofType(({ type }) => type === 'SYSTEM VERSIONED'),
    (list) => `${list} keep their history (system versioning), and a dump has only what is now`,
  );
  say(
    ofType(({ type, engine }) => type !== 'SEQUENCE' && !dumped.has(engine.toLowerCase())),
    (list) => `${list} are of an engine whose rows a dump does not bring back`,
  );
  if (facts.role !== 'replica') {
    say(
      ofType(
        ({ type, engine }) =>
          type !== 'SEQUENCE' &&
          dumped.has(engine.toLowerCase()) &&
          !transactional.has(engine.toLowerCase()) &&
          engine.toLowerCase() !== 'memory',
      ),
      (list) =>
        `${list} have no versions of their rows (MyISAM, Aria), and on a ${facts.role} they change under a dump`,
    );
  }
  say(facts.floatColumns, (list) => `${list} are FLOAT, of which a dump has six digits`);
  const of010 = dumperLine(facts.toolVersion) === '0.10';
  say(
    of010 ? facts.invisibleColumns : [],
    (list) => `${list} are invisible, and mydumper 0.10 leaves them out`,
  );
  say(
    of010 ? facts.defaultGenerated : [],
    (list) =>
      `${list} have an expression as default, and mydumper 0.10 takes them for generated and leaves them out`,
  );
  say(
    facts.backtickColumns,
    (list) =>
      `${list} have a backtick in their names, with which mydumper writes statements that cannot be read`,
  );
  say(
    facts.flavour === 'mariadb' || of010 ? facts.vectorColumns : [],
    (list) => `${list} are VECTOR, which nobody has brought back from a dump yet`,
  );
  say(
    facts.addressColumns,
    (list) => `${list} are UUID, INET4 or INET6, which mydumper writes so that they come back as NULL`,
  );
  say(
    facts.sharedSpace,
    (list) => `${list} lie in a tablespace that tables share, which a dump does not make`,
  );
  say(facts.brokenViews, (list) => `the views ${list} name what is not there and could not be made again`);
  say(
    facts.otherLetters,
    (list) => `${list} were made by a client of another character set than utf8 and hold its letters`,
  );
  say(facts.outsideDatadir, (list) => `${list} lie outside the data directory`);
  const line: DumperLine = dumperLine(facts.toolVersion) ?? '0.10';
  reasons.push(...namesRefused(facts.tables, facts.schemas, line));
  return reasons;
}
