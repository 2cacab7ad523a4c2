import type { BackupPlan } from '../../../../contract/records/backup.ts';
import type { Policy } from '../../../../contract/records/policy.ts';
import { backupArguments } from '../arguments.ts';
import type { Login } from '../login.ts';
import type { Tool } from './tool.ts';
import { xtrabackupArguments } from './xtrabackup-arguments.ts';

/** What decides how the tool of this server is called, beside the policy. Directories are the job's private ones. */
export type BackupCommand = {
  tool: Tool;
  toolVersion: string;
  policy: Pick<Policy, 'toolThreads' | 'ddlLockBudgetSeconds' | 'xtrabackup' | 'mariadbBackup'>;
  address: Login['address'];
  datadir: string;
  defaultsFile: string;
  extraLsnDir: string;
  targetDir: string;
  /** Where the key would lie that XtraBackup encrypts with. */
  keyFile: string;
  checkpointFirst: boolean;
  replica: boolean;
  /** An incremental: pages that changed after this LSN, where its parent ends. */
  incrementalLsn?: string | undefined;
  /** XtraBackup only: the named pipes that it writes to, and where it makes them; left out for its stdout. */
  fifos?: { streams: number; directory: string } | undefined;
};

/** What a plan says of named pipes, with the directory of the job for them. */
export const fifosOf = (
  { fifoStreams }: Pick<BackupPlan, 'fifoStreams'>,
  directory: string,
): BackupCommand['fifos'] => (fifoStreams === undefined ? undefined : { streams: fifoStreams, directory });

function argumentsOf(command: BackupCommand): string[] {
  const { tool, policy, toolVersion, checkpointFirst } = command;
  const { address, datadir, defaultsFile, extraLsnDir, targetDir, replica, incrementalLsn } = command;
  const shared = {
    address,
    datadir,
    defaultsFile,
    extraLsnDir,
    targetDir,
    replica,
    incrementalLsn,
    threads: policy.toolThreads,
  };
  if (tool.name === 'xtrabackup') {
    return xtrabackupArguments({
      ...shared,
      toolVersion,
      settings: policy.xtrabackup,
      ddlLockSeconds: policy.ddlLockBudgetSeconds,
      keyFile: command.keyFile,
      fifos: command.fifos,
    });
  }
  const { throttle, history } = policy.mariadbBackup ?? {};
  return [
    ...backupArguments({ ...shared, checkpointFirst }),
    ...(throttle === undefined ? [] : [`--throttle=${throttle}`]),
    // A write of its own: on a replica it would be a transaction that nobody else has.
    ...(history === undefined || replica ? [] : [`--history=${history}`]),
  ];
}

/** What a plan decides after a host was asked how it would call its tool. */
const ofPlan = (argument: string) =>
  argument === '--innodb-log-checkpoint-now' || /^--(?:incremental-lsn|fifo-[a-z]+)=/.test(argument);

/**
 * The exact arguments of one backup, what the plan decides last: the same for the plan that shows them and for the job
 * that runs them.
 */
export function backupCommand(command: BackupCommand): string[] {
  const all = argumentsOf(command);
  return [...all.filter((argument) => !ofPlan(argument)), ...all.filter(ofPlan)];
}

/** Stands in a plan for what a job makes when it runs: its private directory. */
export const privateDirectory = '<private>';
