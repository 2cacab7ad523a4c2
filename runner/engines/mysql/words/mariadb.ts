import { sortedGtids } from '../position.ts';
import { quoteText } from './quote.ts';
import { commonFilters, makeReadChannel } from './read-channel.ts';
import type { Words } from './words.ts';

/** Reads a row of SHOW ALL SLAVES STATUS. */
export const mariadbChannel = makeReadChannel({
  name: 'Connection_name',
  receiving: 'Slave_IO_Running',
  applying: 'Slave_SQL_Running',
  lag: 'Seconds_Behind_Master',
  filters: [
    ...commonFilters,
    'Replicate_Do_Domain_Ids',
    'Replicate_Ignore_Domain_Ids',
    'Replicate_Rewrite_DB',
  ],
});

const systemSchemas = "('mysql','information_schema','performance_schema','sys')";

/** MariaDB 10.6 and later. */
export const mariadbWords = (version: string): Words => ({
  family: 'mariadb',
  version,
  channels: {
    show: 'SHOW ALL SLAVES STATUS',
    read: mariadbChannel,
    stopApplier: (name) => `STOP SLAVE ${quoteText(name)} SQL_THREAD`,
    startApplier: (name) => `START SLAVE ${quoteText(name)} SQL_THREAD`,
    reset: 'RESET SLAVE ALL',
  },
  dumpThreads: "SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'",
  tables: {
    withoutOwnFile: 'SELECT NAME AS name FROM information_schema.INNODB_SYS_TABLES WHERE SPACE = 0',
    withOwnFile: 'SELECT NAME AS name FROM information_schema.INNODB_SYS_TABLES WHERE SPACE > 0',
    foreignKeys:
      'SELECT DISTINCT FOR_NAME AS child, REF_NAME AS parent FROM information_schema.INNODB_SYS_FOREIGN',
    numbers: 'SELECT TABLE_ID AS id, NAME AS name FROM information_schema.INNODB_SYS_TABLES',
    sizes:
      "SELECT CONCAT(NAME, '.ibd') AS path, FILE_SIZE AS bytes FROM information_schema.INNODB_SYS_TABLESPACES",
    paths:
      "SELECT FILENAME AS path FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME <> 'innodb_temporary'",
  },
  resetLogs: 'RESET MASTER',
  redoSinceCheckpoint: async (session) => {
    const [age] = await session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_checkpoint_age'");
    return age?.Value == null ? undefined : Number(age.Value);
  },
  redoBytes: ({ innodb_log_file_size }) =>
    innodb_log_file_size === undefined ? undefined : Number(innodb_log_file_size),
  databaseColumns: 'SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, SCHEMA_COMMENT',
  viewColumns: `TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE, ALGORITHM,
     CHARACTER_SET_CLIENT, COLLATION_CONNECTION`,
  routines: [
    `SELECT db, name, type, language, sql_data_access, is_deterministic, security_type, param_list, returns, body_utf8,
     definer, sql_mode, comment, character_set_client, collation_connection FROM mysql.proc
     WHERE db NOT IN ${systemSchemas}`,
  ],
  events: `SELECT db, name, body_utf8, definer, execute_at, interval_value, interval_field, starts, ends, on_completion,
     sql_mode, comment, time_zone FROM mysql.event WHERE db NOT IN ${systemSchemas}`,
  accounts: {
    tables: [
      { name: 'account', select: 'SELECT Host, User, Priv FROM mysql.global_priv' },
      ...['db', 'roles_mapping', 'tables_priv', 'columns_priv', 'procs_priv', 'proxies_priv'].map((name) => ({
        name,
        select: `SELECT * FROM mysql.${name}`,
      })),
    ],
    volatile: ['Timestamp'],
  },
  currentPosition: async (session, applied) => {
    const [row] = await session.rows(
      'SELECT @@GLOBAL.gtid_slave_pos AS applied, @@GLOBAL.gtid_binlog_pos AS written',
    );
    const gtid = sortedGtids((applied ? row?.applied : row?.written) ?? '');
    return gtid === '' ? null : { kind: 'mysql', flavour: 'mariadb', gtid };
  },
  openSnapshot: async (session, applied) => {
    await session.run('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    const status = new Map<string, string>();
    for (const row of await session.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")) {
      status.set((row.Variable_name ?? '').toLowerCase(), row.Value ?? '');
    }
    const file = status.get('binlog_snapshot_file') ?? '';
    const offset = Number(status.get('binlog_snapshot_position') ?? 0);
    const place = file === '' ? {} : { file, offset };
    let gtid = '';
    if (applied) {
      gtid = (await session.rows('SELECT @@GLOBAL.gtid_slave_pos AS gtid'))[0]?.gtid ?? '';
    } else if (file !== '') {
      gtid = (await session.rows('SELECT BINLOG_GTID_POS(?, ?) AS gtid', [file, offset]))[0]?.gtid ?? '';
    }
    if (gtid === '' && file === '') return null;
    return { kind: 'mysql', flavour: 'mariadb', gtid: sortedGtids(gtid), ...place };
  },
});
