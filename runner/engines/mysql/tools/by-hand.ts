import type { BackupOrder } from '../../../../contract/records/job.ts';
import { prepareArguments } from '../arguments.ts';
import type { Tool } from './tool.ts';
import { xtrabackupPrepareArguments, xtrabackupUnpackArguments } from './xtrabackup-arguments.ts';

/** The tool that made a backup, and the variables of its server. */
export type UsedTool = { tool: Tool; version: string; variables: Readonly<Record<string, string>> };

/** What a MySQL server must be told to find its own files; the option file that XtraBackup writes is for XtraBackup. */
const shapes = ['innodb_page_size', 'innodb_data_file_path', 'lower_case_table_names'];

/** Commands that restore a full backup without holdfast: what the manifest tells whoever has nothing else. */
export function commandsByHand(
  order: Pick<BackupOrder, 'clusterId' | 'backupId' | 'site' | 'policy'>,
  { tool, version, variables }: UsedTool,
  memoryBytes: number,
): string[] {
  const { codec, xtrabackup } = order.policy;
  const from = `s3://${order.site.bucket}/${order.clusterId}/backups/${order.backupId}`;
  const stream = codec === 'zstd' ? 'cat volumes/main/* | zstd -d |' : 'cat volumes/main/* |';
  const mysql = tool.name === 'xtrabackup';
  const asServer = 'runuser -u mysql --';
  const prepare = mysql
    ? xtrabackupPrepareArguments({
        targetDir: 'DIR',
        memoryBytes,
        temporary: 'TMP',
        toolVersion: version,
        threads: 1,
      })
    : prepareArguments('DIR', memoryBytes, 'TMP');
  const apart = mysql
    ? // Persisted variables are the old server's; its identity is made anew.
      '--mysqlx=OFF --persisted-globals-load=OFF --secure-file-priv=NULL --skip-replica-start'
    : '--skip-slave-start';
  const shape = shapes.flatMap((name) =>
    variables[name] === undefined ? [] : [`--${name.replaceAll('_', '-')}=${variables[name]}`],
  );
  const options = mysql ? ['--no-defaults', ...shape].join(' ') : '--defaults-file=DIR/backup-my.cnf';
  return [
    `aws s3 cp --recursive ${from}/volumes/main volumes/main`,
    'mkdir DIR TMP',
    'chown mysql: DIR TMP',
    // Not as root: the tool loads what the backup's own option file names.
    `${stream} ${asServer} ${mysql ? 'xbstream' : 'mbstream'} -x -C DIR`,
    ...(mysql
      ? xtrabackupUnpackArguments('DIR', xtrabackup, 1).map(
          (args) => `${asServer} xtrabackup ${args.join(' ')}`,
        )
      : []),
    `${asServer} ${tool.name} ${prepare.join(' ')}`,
    ...(mysql ? ['rm -f DIR/auto.cnf DIR/mysqld-auto.cnf'] : []),
    // The backup's own option file and nothing of the host's: a server that runs there keeps its socket and tmpdir.
    `${tool.server} ${options} --datadir=DIR --tmpdir=TMP --socket=DIR/${mysql ? 'mysql' : 'mariadb'}.sock --skip-networking --user=mysql ${apart} --server-id=NEW`,
  ];
}
