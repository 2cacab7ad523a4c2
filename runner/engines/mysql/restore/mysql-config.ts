import { join } from 'node:path';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreTarget } from '../../../../contract/records/restore-target.ts';
import { carriedForStatements, carriedLines, configLine, configText, pluginLines } from './config-lines.ts';
import { temporaryDirectory } from './marker.ts';
import { socketPath } from './server-config.ts';

/** Variables of the old server that a new MySQL must or should have; only what can be set, and only plain values. */
export const carriedByMysql = [
  'innodb_page_size',
  'innodb_data_file_path',
  'innodb_default_row_format',
  'lower_case_table_names',
  'character_set_server',
  'collation_server',
  'sql_mode',
  'explicit_defaults_for_timestamp',
  'max_allowed_packet',
  'max_connections',
  'gtid_mode',
  'enforce_gtid_consistency',
  'partial_revokes',
  'ft_min_word_len',
  'innodb_ft_min_token_size',
  ...carriedForStatements,
];

/** Its redo is made anew: as large as the old one's, by the name that its line has for it. */
const redo = ['innodb_redo_log_capacity', 'innodb_log_file_size'];

/**
 * The my.cnf of a restored MySQL: what the data needs, and nothing by which it could reach production or be reached by it
 * until it is accepted (M17): loopback only, no X plugin, no replication, no events, no binary log, read-only also for
 * administrators, and none of what the old server had persisted.
 */
export function mysqlConfig(
  target: RestoreTarget,
  manifest: Pick<Manifest, 'server' | 'backupId' | 'clusterId'>,
  serverId: number,
): string {
  const { variables } = manifest.server;
  const lines: string[] = [];
  const set = (name: string, value: string | number) => lines.push(configLine(name, value));
  set('datadir', target.directory);
  set('socket', socketPath(target, 'mysql.sock'));
  set('pid-file', join(target.directory, 'mysql.pid'));
  set('log-error', join(target.directory, 'mysql.err'));
  set('tmpdir', temporaryDirectory(target.directory));
  set('port', target.port);
  set('bind-address', '127.0.0.1');
  set('mysqlx', 'OFF');
  // The built-in one need not be there, and files of this host are nobody's business.
  set('secure-file-priv', 'NULL');
  set('user', target.user);
  set('server-id', serverId);
  set('event-scheduler', 'OFF');
  set('read-only', 'ON');
  set('super-read-only', 'ON');
  set('persisted-globals-load', 'OFF');
  set('loose-group-replication-start-on-boot', 'OFF');
  lines.push('skip-replica-start', 'skip-log-bin');
  lines.push(...carriedLines(carriedByMysql, variables));
  const size = redo.find((name) => /^\d+$/.test(variables[name] ?? ''));
  if (size !== undefined) set(size, variables[size] ?? '');
  lines.push(...pluginLines(variables));
  return configText('mysqld', manifest, lines);
}
