import type { BackupOrder } from '../../../../contract/records/job.ts';
import type { Tool } from './tool.ts';
import { xtrabackupPrepareArguments, xtrabackupUnpackArguments } from './xtrabackup-arguments.ts';

/** The tool that made a backup, and the variables of its server. */
export type UsedTool = { tool: Tool; version: string; variables: Readonly<Record<string, string>> };

/** What a server must be told to find its own files; the option file that XtraBackup writes is for XtraBackup. */
const shapes = ['innodb_page_size', 'innodb_data_file_path', 'lower_case_table_names'];

/** Commands that restore a full backup of XtraBackup without holdfast: what the manifest tells whoever has nothing else. */
export function xtrabackupByHand(
  order: Pick<BackupOrder, 'clusterId' | 'backupId' | 'site' | 'policy'>,
  { version, variables }: UsedTool,
  memoryBytes: number,
): string[] {
  const { codec, xtrabackup } = order.policy;
  const from = `s3://${order.site.bucket}/${order.clusterId}/backups/${order.backupId}`;
  const stream = codec === 'zstd' ? 'cat volumes/main/* | zstd -d |' : 'cat volumes/main/* |';
  const asServer = 'runuser -u mysql --';
  const prepare = xtrabackupPrepareArguments({
    targetDir: 'DIR',
    memoryBytes,
    temporary: 'TMP',
    toolVersion: version,
    threads: 1,
  });
  const shape = shapes.flatMap((name) =>
    variables[name] === undefined ? [] : [`--${name.replaceAll('_', '-')}=${variables[name]}`],
  );
  return [
    `aws s3 cp --recursive ${from}/volumes/main volumes/main`,
    'mkdir DIR TMP',
    'chown mysql: DIR TMP',
    // Not as root: the tool loads what the backup's own option file names.
    `${stream} ${asServer} xbstream -x -C DIR`,
    ...xtrabackupUnpackArguments('DIR', xtrabackup, 1).map(
      (args) => `${asServer} xtrabackup ${args.join(' ')}`,
    ),
    `${asServer} xtrabackup ${prepare.join(' ')}`,
    // Persisted variables and identity are the old server's.
    'rm -f DIR/auto.cnf DIR/mysqld-auto.cnf',
    `mysqld --no-defaults ${shape.join(' ')} --datadir=DIR --tmpdir=TMP --socket=DIR/mysql.sock --skip-networking --user=mysql --mysqlx=OFF --persisted-globals-load=OFF --secure-file-priv=NULL --skip-replica-start --server-id=NEW`,
  ];
}
