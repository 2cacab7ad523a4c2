import type { BackupOrder } from '../../../contract/records/job.ts';
import { prepareArguments } from './arguments.ts';

/**
 * Commands that restore a backup without holdfast, its whole chain where it is an incremental. DIR, TMP and INC are
 * directories that the operator names.
 */
export function byHandCommands(
  {
    site,
    clusterId,
    backupId,
    policy,
    plan,
  }: Pick<BackupOrder, 'site' | 'clusterId' | 'backupId' | 'policy' | 'plan'>,
  memoryBytes: number,
): string[] {
  const backups = `s3://${site.bucket}/${clusterId}/backups`;
  // Frames of a link that was stored uncompressed pass through.
  const plain = policy.codec === 'zstd' ? `zstd -d${plan.increment ? 'cf' : ''} | ` : '';
  const fetched = (id: string, volumes: string, into: string) => [
    `aws s3 cp --recursive ${backups}/${id}/volumes/main ${volumes}`,
    `mkdir ${into}`,
    `chown mysql: ${into}`,
    // Not as root: the tool loads what the backup's own option file names.
    `cat ${volumes}/* | ${plain}runuser -u mysql -- mbstream -x -C ${into.split(' ')[0]}`,
  ];
  const prepared = (incrementalDir?: string) =>
    `runuser -u mysql -- mariadb-backup ${prepareArguments('DIR', memoryBytes, 'TMP', incrementalDir).join(' ')}`;
  const [base = backupId, ...incrementals] = [...(plan.increment?.links ?? []), backupId];
  return [
    ...fetched(base, 'volumes/main', 'DIR TMP'),
    prepared(),
    ...incrementals.flatMap((id) => [
      ...fetched(id, 'volumes/increment', 'INC'),
      prepared('INC'),
      'rm -r INC volumes/increment',
    ]),
    // The backup's own option file and nothing of the host's: a server that runs there keeps its socket and tmpdir.
    'mariadbd --defaults-file=DIR/backup-my.cnf --datadir=DIR --tmpdir=TMP --socket=DIR/mariadb.sock --skip-networking --user=mysql --skip-slave-start --server-id=NEW',
  ];
}
