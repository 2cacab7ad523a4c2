import { join } from 'node:path';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreTarget } from '../../../../contract/records/restore-target.ts';
import {
  carriedForStatements,
  carriedLines,
  configLine,
  configText,
  plainValue,
  pluginLines,
} from './config-lines.ts';
import { temporaryDirectory, temporaryName } from './marker.ts';

/** Variables of the old server that the new one must or should have; only what can be set, and only plain values. */
const carried = [
  'innodb_page_size',
  'innodb_data_file_path',
  'innodb_undo_tablespaces',
  'innodb_default_row_format',
  'innodb_log_file_size',
  'lower_case_table_names',
  'character_set_server',
  'collation_server',
  'sql_mode',
  'explicit_defaults_for_timestamp',
  'max_allowed_packet',
  'max_connections',
  'gtid_domain_id',
  'gtid_strict_mode',
  'binlog_format',
  'ft_min_word_len',
  'innodb_ft_min_token_size',
  ...carriedForStatements,
];

/** The first variable of a manifest that the restored server would start with and that is no plain value. */
export const oddVariable = (
  variables: Readonly<Record<string, string>>,
  names: readonly string[] = carried,
): string | undefined =>
  names.find((name) => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    return value !== undefined && value !== '' && !plainValue.test(value);
  });

/** A socket's path may have 107 bytes (sun_path); the server adds nothing to it. */
const socketLimit = 100;

/** The socket lies in the directory, which is the server's alone; below /run where that path would be too long. */
export function socketPath(
  { directory, port }: Pick<RestoreTarget, 'directory' | 'port'>,
  name: string,
): string {
  const inside = join(directory, name);
  return Buffer.byteLength(inside) <= socketLimit ? inside : `/run/holdfast-restored/${port}/${name}`;
}

/** A new server id, so that this instance neither continues the old one's GTIDs nor has its events skipped (M16). */
export function newServerId(recorded: number, random: () => number = Math.random): number {
  for (;;) {
    const id = 1 + Math.floor(random() * 4294967294);
    if (id !== recorded) return id;
  }
}

/**
 * The my.cnf of a restored server: what the data needs, and nothing by which it could reach production or be reached
 * by it until it is accepted (M17): loopback only, no replication, no events, no binary log, read-only.
 */
export function serverConfig(
  target: RestoreTarget,
  manifest: Pick<Manifest, 'server' | 'backupId' | 'clusterId'>,
  serverId: number,
): string {
  const lines: string[] = [];
  const set = (name: string, value: string | number) => lines.push(configLine(name, value));
  set('datadir', target.directory);
  set('socket', socketPath(target, 'mariadb.sock'));
  set('pid-file', join(target.directory, 'mariadb.pid'));
  set('log-error', join(target.directory, 'mariadb.err'));
  set('tmpdir', temporaryDirectory(target.directory));
  // A directory within the data directory would be shown as a database.
  set('ignore-db-dirs', temporaryName);
  set('port', target.port);
  set('bind-address', '127.0.0.1');
  set('user', target.user);
  set('server-id', serverId);
  set('event-scheduler', 'OFF');
  set('read-only', 'ON');
  lines.push('skip-slave-start', 'skip-log-bin');
  lines.push(...carriedLines(carried, manifest.server.variables));
  // Without grant tables, as while it is proved, a server loads no plugin by itself; one that is not on this host is
  // told in the error log and left out.
  lines.push(...pluginLines(manifest.server.variables));
  return configText('mariadbd', manifest, lines);
}
