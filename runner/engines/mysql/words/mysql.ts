import { formatMysqlGtid, parseMysqlGtid } from '../../../../contract/positions/mysql-gtid.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { Session } from '../session.ts';
import { quoteText } from './quote.ts';
import { commonFilters, makeReadChannel } from './read-channel.ts';
import type { Words } from './words.ts';

/** Reads a row of SHOW REPLICA STATUS (8.0.22 and later). */
export const mysqlChannel = makeReadChannel({
  name: 'Channel_Name',
  receiving: 'Replica_IO_Running',
  applying: 'Replica_SQL_Running',
  lag: 'Seconds_Behind_Source',
  filters: [...commonFilters, 'Replicate_Rewrite_DB'],
});

const systemSchemas = "('mysql','information_schema','performance_schema','sys')";

/** What performance_schema.log_status says of this server's own log, as JSON; one consistent reading of all three. */
export function positionOfLogStatus(json: string): MysqlPosition | null {
  const local = JSON.parse(json) as {
    gtid_executed?: string;
    binary_log_file?: string;
    binary_log_position?: number;
  };
  const gtid = formatMysqlGtid(parseMysqlGtid(local.gtid_executed ?? ''));
  const file = local.binary_log_file ?? '';
  if (gtid === '' && file === '') return null;
  return {
    kind: 'mysql',
    flavour: 'mysql',
    gtid,
    ...(file === '' ? {} : { file, offset: local.binary_log_position ?? 0 }),
  };
}

/** Of an applier and of a writer alike: what a MySQL server has executed is one set. */
async function logPosition(session: Session): Promise<MysqlPosition | null> {
  const [row] = await session.rows('SELECT LOCAL AS local FROM performance_schema.log_status');
  return row?.local == null ? null : positionOfLogStatus(row.local);
}

const same = (a: MysqlPosition | null, b: MysqlPosition | null) =>
  a?.gtid === b?.gtid && a?.file === b?.file && a?.offset === b?.offset;

/** A reading, a snapshot and a reading take about a millisecond; a server that never rests so long is not told. */
const snapshotTries = 50;

/** MySQL and Percona Server 8.0.23 and later. */
export const mysqlWords = (version: string): Words => ({
  family: 'mysql',
  version,
  channels: {
    show: 'SHOW REPLICA STATUS',
    read: mysqlChannel,
    stopApplier: (name) => `STOP REPLICA SQL_THREAD FOR CHANNEL ${quoteText(name)}`,
    startApplier: (name) => `START REPLICA SQL_THREAD FOR CHANNEL ${quoteText(name)}`,
    reset: 'RESET REPLICA ALL',
  },
  dumpThreads: "SELECT COUNT(*) AS n FROM performance_schema.processlist WHERE COMMAND LIKE 'Binlog Dump%'",
  tables: {
    withoutOwnFile: "SELECT NAME AS name FROM information_schema.INNODB_TABLES WHERE SPACE_TYPE <> 'Single'",
    withOwnFile: "SELECT NAME AS name FROM information_schema.INNODB_TABLES WHERE SPACE_TYPE = 'Single'",
    // INNODB_FOREIGN has one name for both, in which a table with a slash cannot be told from its database.
    foreignKeys: `SELECT DISTINCT CONSTRAINT_SCHEMA AS child_schema, TABLE_NAME AS child,
      UNIQUE_CONSTRAINT_SCHEMA AS parent_schema, REFERENCED_TABLE_NAME AS parent
      FROM information_schema.REFERENTIAL_CONSTRAINTS`,
    numbers: 'SELECT TABLE_ID AS id, NAME AS name FROM information_schema.INNODB_TABLES',
    // INNODB_TABLESPACES names tables as users do; FILES has the paths.
    sizes: `SELECT F.FILE_NAME AS path, S.FILE_SIZE AS bytes FROM information_schema.FILES F
      JOIN information_schema.INNODB_TABLESPACES S ON S.SPACE = F.FILE_ID`,
    paths: "SELECT FILE_NAME AS path FROM information_schema.FILES WHERE FILE_TYPE <> 'TEMPORARY'",
  },
  // 8.0 knows the old words only, 8.4 the new ones only.
  resetLogs: version.startsWith('8.0.') ? 'RESET MASTER' : 'RESET BINARY LOGS AND GTIDS',
  redoSinceCheckpoint: async (session) => {
    const lsns = new Map<string, number>();
    for (const row of await session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_%_lsn'")) {
      lsns.set(row.Variable_name ?? '', Number(row.Value));
    }
    const current = lsns.get('Innodb_redo_log_current_lsn');
    const checkpoint = lsns.get('Innodb_redo_log_checkpoint_lsn');
    return current === undefined || checkpoint === undefined ? undefined : current - checkpoint;
  },
  redoBytes: ({ innodb_redo_log_capacity, innodb_log_file_size, innodb_log_files_in_group }) => {
    if (innodb_redo_log_capacity !== undefined) return Number(innodb_redo_log_capacity);
    if (innodb_log_file_size === undefined) return undefined;
    return Number(innodb_log_file_size) * Number(innodb_log_files_in_group ?? 1);
  },
  databaseColumns: 'SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, DEFAULT_ENCRYPTION',
  viewColumns: `TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE,
     CHARACTER_SET_CLIENT, COLLATION_CONNECTION`,
  routines: [
    `SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, DTD_IDENTIFIER, ROUTINE_BODY, ROUTINE_DEFINITION,
     IS_DETERMINISTIC, SQL_DATA_ACCESS, SECURITY_TYPE, SQL_MODE, ROUTINE_COMMENT, DEFINER, CHARACTER_SET_CLIENT,
     COLLATION_CONNECTION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA NOT IN ${systemSchemas}`,
    `SELECT SPECIFIC_SCHEMA, SPECIFIC_NAME, ORDINAL_POSITION, PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER,
     CHARACTER_SET_NAME, COLLATION_NAME, ROUTINE_TYPE FROM information_schema.PARAMETERS
     WHERE SPECIFIC_SCHEMA NOT IN ${systemSchemas}`,
  ],
  events: `SELECT EVENT_SCHEMA, EVENT_NAME, DEFINER, TIME_ZONE, EVENT_TYPE, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD,
     SQL_MODE, STARTS, ENDS, ON_COMPLETION, EVENT_DEFINITION, EVENT_COMMENT, CHARACTER_SET_CLIENT,
     COLLATION_CONNECTION FROM information_schema.EVENTS WHERE EVENT_SCHEMA NOT IN ${systemSchemas}`,
  accounts: {
    tables: [
      // What a password is hashed to is no text.
      { name: 'user', select: 'SELECT *, HEX(authentication_string) AS secret FROM mysql.user' },
      ...[
        'db',
        'tables_priv',
        'columns_priv',
        'procs_priv',
        'proxies_priv',
        'global_grants',
        'role_edges',
        'default_roles',
      ].map((name) => ({ name, select: `SELECT * FROM mysql.${name}` })),
    ],
    volatile: ['Timestamp', 'password_last_changed', 'authentication_string'],
  },
  currentPosition: logPosition,
  openSnapshot: async (session) => {
    for (let attempt = 1; ; attempt++) {
      const before = await logPosition(session);
      await session.run('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
      // No server tells a snapshot's position: it is told where nothing was logged around it.
      const after = await logPosition(session);
      if (same(before, after)) return after;
      if (attempt === snapshotTries) return null;
      await session.run('ROLLBACK');
    }
  },
});
