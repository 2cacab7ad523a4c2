import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Manifest } from '../../../contract/formats/manifest.ts';
import type { Origin } from '../../../contract/records/backup.ts';
import type { BackupOrder } from '../../../contract/records/job.ts';
import type { ToolKey } from '../../../contract/records/tool-key.ts';
import { zoneOfProcess } from '../../host/time-zone.ts';
import type { EngineContext } from '../engine.ts';
import { byHandCommands } from './by-hand.ts';
import { roleOf } from './eligibility.ts';
import { neededLibraries, type Plugin } from './plugins.ts';
import type { ServerFacts } from './server-facts.ts';
import { type Tool, toolOf } from './tools/tool.ts';
import { type UsedTool, xtrabackupByHand } from './tools/xtrabackup-by-hand.ts';
import { versionIn } from './versions.ts';
import { wordsOf } from './words/words.ts';

/** Variables without which the data cannot live again, or would live differently (M23). */
const needed = [
  'innodb_page_size',
  'innodb_data_file_path',
  'innodb_undo_tablespaces',
  'innodb_default_row_format',
  'innodb_file_per_table',
  'innodb_checksum_algorithm',
  'innodb_compression_algorithm',
  'innodb_log_file_size',
  'innodb_encrypt_tables',
  'innodb_encrypt_log',
  'innodb_buffer_pool_size',
  'lower_case_table_names',
  'character_set_server',
  'collation_server',
  'default_storage_engine',
  'old_mode',
  'group_concat_max_len',
  'div_precision_increment',
  'default_week_format',
  'sql_mode',
  'time_zone',
  'system_time_zone',
  'explicit_defaults_for_timestamp',
  'log_bin',
  'log_slave_updates',
  'binlog_format',
  'sync_binlog',
  'gtid_domain_id',
  'gtid_strict_mode',
  'max_allowed_packet',
  'max_connections',
  'event_scheduler',
  'local_infile',
  'secure_file_priv',
  'ft_min_word_len',
  'innodb_ft_min_token_size',
  'have_ssl',
  'ssl_ca',
  'ssl_cert',
  'plugin_dir',
  'gtid_mode',
  'enforce_gtid_consistency',
  'log_replica_updates',
  'log_bin_basename',
  'innodb_redo_log_capacity',
  'innodb_directories',
  'partial_revokes',
  'authentication_policy',
  'default_table_encryption',
  'require_secure_transport',
];

const secretOption = /(password|secret|token|passphrase|_key=|key_pw)/i;

/** Options as `my_print_defaults` prints them, with the values of secret ones removed. */
export function redactOptions(lines: readonly string[]): string[] {
  return lines
    .map((line) => line.trim())
    .filter((line) => line.startsWith('--'))
    .map((line) => (secretOption.test(line) ? line.replace(/=[\s\S]*$/, '=<removed>') : line));
}

async function optionsOf(
  order: BackupOrder,
  server: Tool['server'],
  context: EngineContext,
): Promise<string[]> {
  const { defaultsFile } = order.member;
  const end = await context.runChild({
    command: 'my_print_defaults',
    args: [
      ...(defaultsFile === undefined ? [] : [`--defaults-file=${defaultsFile}`]),
      // MySQL's program takes groups, MariaDB's knows which a server reads.
      ...(server === 'mariadbd' ? ['--mariadbd'] : ['mysqld', 'server']),
    ],
    signal: context.signal,
    stallSeconds: 30,
  });
  // A host without the program still has a whole backup: the variables above say what counts.
  return end.exitCode === 0 ? redactOptions(end.stdout.split('\n')) : [];
}

/** What `SYSTEM` is on it by name, which no variable tells; in it statements of its log are to be read. */
async function zoneOf({
  pid_file = '',
  datadir = '',
}: ServerFacts['variables']): Promise<string | undefined> {
  const pid = Number(await readFile(resolve(datadir, pid_file), 'utf8').catch(() => ''));
  return zoneOfProcess(pid > 0 ? pid : undefined);
}

/** The manifest's part about the server: what it is and what it needs to live again. */
export async function describeServer(
  order: BackupOrder,
  facts: ServerFacts,
  { datadir, files }: Origin,
  plugins: readonly Plugin[],
  context: EngineContext,
): Promise<Manifest['server']> {
  const variables: Record<string, string> = {};
  for (const name of needed) {
    const value = facts.variables[name];
    if (value !== undefined) variables[name] = value;
  }
  if (plugins.length > 0) {
    variables.plugins = plugins.map((plugin) => plugin.name).join(',');
    variables.plugin_libraries = neededLibraries(plugins).join(',');
  }
  const zone = await zoneOf(facts.variables);
  if (zone !== undefined) variables.system_zone = zone;
  return {
    version: versionIn(facts.version) ?? facts.version,
    uuid: facts.uuid,
    serverId: facts.serverId,
    datadir,
    files,
    role: roleOf(facts),
    variables,
    options: await optionsOf(order, toolOf(wordsOf(facts.version).family).server, context),
  };
}

/** Buffer pool for prepare: it reads each page of the redo once; 512 MiB hold the pages of some 10 GB of redo's changes. */
export const prepareMemoryBytes = 512 * 1024 * 1024;

/**
 * What a server makes for itself when it starts: ibtmp1 (12 MiB, but 1,216 pages where that is more: 76 MiB at 64 KiB),
 * Aria's log, the list of the buffer pool.
 */
const startBytes = (pageBytes: number) => 20 * 1024 * 1024 + 1280 * pageBytes;

/**
 * What a restore of these files needs. Room: the unpacked files and a tenth, for undo and temporary tables of the
 * rollback, or the whole stream where that is more (files that were dropped while the tool ran are written first);
 * and the redo once more, which the server makes anew. Where the tool itself has packed its files, both lie there for
 * a while: as packed, and as large as the server's own.
 */
export function restoreNeeds(
  order: BackupOrder,
  { unpackedBytes, streamBytes }: { unpackedBytes: number; streamBytes: number },
  { dataBytes, redoBytes, pageBytes }: { dataBytes: number; redoBytes: number; pageBytes: number },
  used: UsedTool,
  outsideDatadir: string[],
  key?: ToolKey,
): Manifest['restore'] {
  const { xtrabackup } = order.policy;
  const { tool, version } = used;
  const packed = tool.name === 'xtrabackup' && (xtrabackup?.compress ?? xtrabackup?.encrypt) !== undefined;
  const files = packed ? streamBytes + Math.ceil(dataBytes * 1.1) : Math.ceil(unpackedBytes * 1.1);
  return {
    bytes: Math.max(files, streamBytes) + redoBytes + startBytes(pageBytes),
    memoryBytes: prepareMemoryBytes,
    toolVersion: version,
    byHand:
      tool.name === 'xtrabackup'
        ? xtrabackupByHand(order, used, prepareMemoryBytes)
        : byHandCommands(order, prepareMemoryBytes),
    outsideDatadir,
    ...(key === undefined ? {} : { key }),
  };
}
