import type { BackupOrder } from '../../../../contract/records/job.ts';
import type { Tool } from './tool.ts';
import { xtrabackupPrepareArguments, xtrabackupUnpackArguments } from './xtrabackup-arguments.ts';

/** The tool that made a backup, and the variables of its server. */
export type UsedTool = { tool: Tool; version: string; variables: Readonly<Record<string, string>> };

/** What a server must be told to find its own files; the option file that XtraBackup writes is for XtraBackup. */
const shapes = ['innodb_page_size', 'innodb_data_file_path', 'lower_case_table_names'];

/**
 * Commands that restore a backup of XtraBackup without holdfast, its whole chain where it is an incremental: what the
 * manifest tells whoever has nothing else. DIR, TMP and INC are directories and KEY is a file that the operator names.
 */
export function xtrabackupByHand(
  order: Pick<BackupOrder, 'clusterId' | 'backupId' | 'site' | 'policy'> & {
    plan?: Pick<BackupOrder['plan'], 'increment' | 'fifoStreams'>;
  },
  { version, variables }: UsedTool,
  memoryBytes: number,
): string[] {
  const { codec, xtrabackup } = order.policy;
  const increment = order.plan?.increment;
  const asServer = 'runuser -u mysql --';
  // Frames of a link that was stored uncompressed pass through.
  const plain = codec === 'zstd' ? `zstd -d${increment ? 'cf' : ''} | ` : '';
  // Of a chain each link has as many streams as its own plan says, which may not be this one's.
  const several = increment !== undefined || order.plan?.fifoStreams !== undefined;
  const fetched = (id: string, volumes: string, into: string) => {
    const [directory = ''] = into.split(' ');
    const main = several ? '' : '/main';
    // Not as root: the tool loads what the backup's own option file names.
    const extract = (of: string) => `cat ${of}/* | ${plain}${asServer} xbstream -x -C ${directory}`;
    return [
      `aws s3 cp --recursive s3://${order.site.bucket}/${order.clusterId}/backups/${id}/volumes${main} ${volumes}${main}`,
      `mkdir ${into}`,
      `chown mysql: ${into}`,
      several
        ? `for stream in ${volumes}/*; do ${extract('"$stream"')} || exit; done`
        : extract(`${volumes}${main}`),
      ...xtrabackupUnpackArguments(directory, xtrabackup, 1, 'KEY').map(
        (args) => `${asServer} xtrabackup ${args.join(' ')}`,
      ),
    ];
  };
  const prepared = (from?: string) => {
    const args = xtrabackupPrepareArguments({
      targetDir: 'DIR',
      memoryBytes,
      temporary: 'TMP',
      toolVersion: version,
      threads: 1,
      redoOnly: increment !== undefined,
      ...(from === undefined ? {} : { increment: from }),
    });
    return `${asServer} xtrabackup ${args.join(' ')}`;
  };
  const [base = order.backupId, ...incrementals] = [...(increment?.links ?? []), order.backupId];
  const shape = shapes.flatMap((name) =>
    variables[name] === undefined ? [] : [`--${name.replaceAll('_', '-')}=${variables[name]}`],
  );
  return [
    ...fetched(base, 'volumes', 'DIR TMP'),
    prepared(),
    ...incrementals.flatMap((id) => [
      ...fetched(id, 'increment', 'INC'),
      prepared('INC'),
      'rm -r INC increment',
    ]),
    // Persisted variables and identity are the old server's.
    'rm -f DIR/auto.cnf DIR/mysqld-auto.cnf',
    `mysqld --no-defaults ${shape.join(' ')} --datadir=DIR --tmpdir=TMP --socket=DIR/mysql.sock --skip-networking --user=mysql --mysqlx=OFF --persisted-globals-load=OFF --secure-file-priv=NULL --skip-replica-start --server-id=NEW`,
  ];
}
