/**
 * Options of the tools that no policy offers, as an operator would write them there, and why. Told where one is found,
 * so that nobody has to guess whether it was forgotten.
 */
const ofBoth = {
  safeSlaveBackup:
    'the runner stops the applier itself (stopApplier), and starts it again also where the tool was killed',
  slaveInfo: 'it is sent on every replica',
  extraLsndir: 'it is sent always',
  openFilesLimit: 'it is sent always, at 1,000,000',
  parallel: 'name toolThreads of the policy',
  stream: 'a backup is always a stream',
  noLock: 'data and position of such a backup do not belong together',
  noBackupLocks: 'it does nothing, or makes of a short lock a long one',
  rsync: 'it does nothing in a stream',
  galeraInfo: 'nodes of Galera are not backed up; name a replica outside of the cluster',
  killLongQueriesTimeout: 'it ends queries that are not the backup’s; ftwrlWaitSeconds gives up instead',
  ftwrlWaitQueryType: 'every query is waited for',
  killLongQueryType: 'it ends queries that are not the backup’s',
  tables: 'a backup of some tables is none of the server; a restore reads single tables of a whole one',
  tablesFile: 'a backup of some tables is none of the server; a restore reads single tables of a whole one',
  tablesExclude: 'a backup of some tables is none of the server',
  databases: 'a backup of some schemas is none of the server; a restore reads single tables of a whole one',
  databasesExclude: 'a backup of some schemas is none of the server',
  user: 'the member’s credential says who logs in',
  password: 'the member’s credential says who logs in; no secret stands in a policy',
} as const;

export const xtrabackupRefused: Readonly<Record<string, string>> = {
  ...ofBoth,
  lockDdlPerTable: 'it locks table by table and is going away; name lockDdl',
  lockDdlTimeout: 'ddlLockBudgetSeconds of the policy is sent as it',
  backupLockTimeout: 'ddlLockBudgetSeconds of the policy is sent as it',
  noServerVersionCheck: 'a tool of another line copies what it does not understand',
  encryptKey: 'a key stands in no policy and no argument; name encrypt.keyFile or encrypt.keySecret',
  incrementalBasedir: 'the catalog knows where a parent ends (incrementals)',
  incrementalLsn: 'the catalog knows where a parent ends (incrementals)',
  incrementalHistoryName: 'the catalog knows where a parent ends (incrementals)',
  fifoDir: 'the job has a directory of its own for them',
  dumpInnodbBufferPool:
    'it waits for the server, and a restored one warms up by what the backup holds anyway',
};

export const mariadbBackupRefused: Readonly<Record<string, string>> = {
  ...ofBoth,
  compress: 'it has QuickLZ only; the runner’s own codec packs the stream',
  ftwrlWaitTimeout: 'it waits for any query and fails on a busy server; lockBudgetSeconds bounds the locks',
  ftwrlWaitSeconds: 'it waits for any query and fails on a busy server; lockBudgetSeconds bounds the locks',
  encrypt: 'mariadb-backup has no encryption of its own',
  fifoStreams: 'mariadb-backup writes to its stdout only',
  lockDdl: 'mariadb-backup has no modes of it; ddlLockBudgetSeconds bounds its locks',
  innodbLogCheckpointNow: 'name checkpointFirst of the policy',
};

/** What is said of keys that a tool's settings do not have; those that are left out on purpose with the reason. */
export const refusalOfKeys =
  (refused: Readonly<Record<string, string>>) =>
  (issue: { code?: string | undefined; keys?: unknown }): string | undefined => {
    if (issue.code !== 'unrecognized_keys' || !Array.isArray(issue.keys)) return undefined;
    return issue.keys
      .map((key: string) => `${key} is not offered: ${refused[key] ?? 'there is no such setting'}`)
      .join('; ');
  };
