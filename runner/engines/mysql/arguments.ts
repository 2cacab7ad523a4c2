/** What decides how mariadb-backup is called. Paths are absolute, versions as `10.11.19`. */
export type BackupArguments = {
  defaultsFile: string;
  address: { socket: string } | { host: string; port: number };
  datadir: string;
  /** Plain copies of checkpoints and info are written here. */
  extraLsnDir: string;
  /** An empty directory: the tool wants one even where everything goes to stdout. */
  targetDir: string;
  threads: number;
  checkpointFirst: boolean;
  replica: boolean;
  /** An incremental: pages that changed after this LSN, where its parent ends. */
  incrementalLsn?: string | undefined;
};

/**
 * Arguments of a backup to stdout (mariadb-backup 10.5 and later). Left out on purpose: `--ftwrl-wait-timeout`
 * waits for any running query and so fails on a busy server, `--kill-long-queries-timeout`, `--no-backup-locks` and
 * `--rsync` do nothing any more (M10), `--safe-slave-backup` leaves the applier stopped when the tool dies (M11), and
 * `--compress` knows QuickLZ only. The lock budget and the applier are the runner's own work.
 */
export function backupArguments(options: BackupArguments): string[] {
  const { address } = options;
  return [
    // The server's programs take this one only as the very first argument.
    `--defaults-file=${options.defaultsFile}`,
    '--backup',
    '--stream=mbstream',
    `--extra-lsndir=${options.extraLsnDir}`,
    `--target-dir=${options.targetDir}`,
    `--tmpdir=${options.targetDir}`,
    `--datadir=${options.datadir}`,
    ...('socket' in address
      ? [`--socket=${address.socket}`]
      : [`--host=${address.host}`, `--port=${address.port}`, '--protocol=tcp']),
    `--parallel=${options.threads}`,
    // One descriptor per tablespace; the default of the account is often 1,024.
    '--open-files-limit=1000000',
    ...(options.checkpointFirst ? ['--innodb-log-checkpoint-now'] : []),
    ...(options.replica ? ['--slave-info'] : []),
    // The tool notices no wrong one: what it says afterwards is compared with the parent.
    ...(options.incrementalLsn === undefined ? [] : [`--incremental-lsn=${options.incrementalLsn}`]),
  ];
}

/**
 * Arguments for preparing a full backup where it was unpacked. The backup's own option file says page size and data
 * files (with --no-defaults the tool would take its built-in ones). `memoryBytes` is the buffer pool for applying redo,
 * `temporary` a directory that no server uses. With `incrementalDir` what was unpacked there is applied to the prepared
 * files of `targetDir`; MariaDB needs no other word for the links before the last.
 */
export function prepareArguments(
  targetDir: string,
  memoryBytes: number,
  temporary: string,
  incrementalDir?: string,
): string[] {
  return [
    `--defaults-file=${targetDir}/backup-my.cnf`,
    '--prepare',
    `--use-memory=${memoryBytes}`,
    `--target-dir=${targetDir}`,
    `--tmpdir=${temporary}`,
    ...(incrementalDir === undefined ? [] : [`--incremental-dir=${incrementalDir}`]),
  ];
}
