import type { XtrabackupSettings } from '../../../../contract/records/tool-settings.ts';
import { xtrabackupSettingsSchema } from '../../../../contract/records/tool-settings.ts';
import type { BackupArguments } from '../arguments.ts';
import { fifoTimeoutSeconds } from '../fifo-streams.ts';
import { lineOf } from '../versions.ts';

/** Whether this XtraBackup calls its options by the names of 9.7.2-2; the old ones only warn there, both together end it. */
export function hasNewNames(toolVersion: string): boolean {
  const [major = 0, minor = 0, patch = 0] = toolVersion.split(/[.-]/).map(Number);
  return major > 9 || (major === 9 && (minor > 7 || (minor === 7 && patch >= 2)));
}

/** `reduced` came to everybody with 8.4.0-5. */
export function knowsReducedLock(toolVersion: string): boolean {
  const [, patch = '0', release = '0'] = /^8\.4\.(\d+)-(\d+)/.exec(toolVersion) ?? [];
  return lineOf(toolVersion) === '9.7' || Number(patch) > 0 || Number(release) >= 5;
}

/** What the policy asks for and this tool cannot do; undefined when it can. */
export function settingsMisfit(
  settings: XtrabackupSettings | undefined,
  toolVersion: string,
): string | undefined {
  if (settings?.lockDdl === 'reduced' && !knowsReducedLock(toolVersion)) {
    return `xtrabackup.lockDdl: reduced needs XtraBackup 8.4.0-5, or 9.7; this is ${toolVersion}`;
  }
  return undefined;
}

export type XtrabackupArguments = Omit<BackupArguments, 'checkpointFirst'> & {
  toolVersion: string;
  settings: XtrabackupSettings | undefined;
  /** Longest wait for the lock that keeps DDL away. Seconds. */
  ddlLockSeconds: number;
  /** The job's private copy of the key, where the settings ask for encryption. */
  keyFile: string;
  fifos?: { streams: number; directory: string } | undefined;
};

const megabyte = 1024 * 1024;

/**
 * Arguments of a backup to stdout, or to named pipes, by XtraBackup 8.0, 8.4 and 9.7. Every wait is finite; what does
 * harm is not offered by the policy at all (M10, M11). The tool must not ask its maker for news while it holds locks
 * (`--no-version-check`).
 */
export function xtrabackupArguments(options: XtrabackupArguments): string[] {
  const { address, replica } = options;
  const settings = options.settings ?? xtrabackupSettingsSchema.parse({});
  const { compress, encrypt } = settings;
  return [
    // The server's programs take this one only as the very first argument.
    `--defaults-file=${options.defaultsFile}`,
    '--backup',
    '--stream=xbstream',
    `--extra-lsndir=${options.extraLsnDir}`,
    `--target-dir=${options.targetDir}`,
    `--tmpdir=${options.targetDir}`,
    `--datadir=${options.datadir}`,
    ...('socket' in address
      ? [`--socket=${address.socket}`]
      : [`--host=${address.host}`, `--port=${address.port}`]),
    `--parallel=${options.threads}`,
    '--open-files-limit=1000000',
    '--no-version-check',
    '--check-privileges',
    `--lock-ddl=${settings.lockDdl === 'reduced' ? 'REDUCED' : 'ON'}`,
    `--lock-ddl-timeout=${options.ddlLockSeconds}`,
    `--backup-lock-timeout=${options.ddlLockSeconds}`,
    `--ftwrl-wait-timeout=${settings.ftwrlWaitSeconds}`,
    `--ftwrl-wait-threshold=${settings.ftwrlThresholdSeconds}`,
    ...(replica ? ['--slave-info'] : []),
    // The tool notices no wrong one: what it says afterwards is compared with the parent.
    ...(options.incrementalLsn === undefined ? [] : [`--incremental-lsn=${options.incrementalLsn}`]),
    ...(settings.throttle === undefined ? [] : [`--throttle=${settings.throttle}`]),
    ...(settings.readBufferMiB === undefined
      ? []
      : [`--read-buffer-size=${settings.readBufferMiB * megabyte}`]),
    ...(compress === undefined
      ? []
      : [
          `--compress=${compress.algorithm}`,
          `--compress-threads=${compress.threads}`,
          ...(compress.algorithm === 'zstd' ? [`--compress-zstd-level=${compress.level}`] : []),
        ]),
    ...(encrypt === undefined
      ? []
      : [
          `--encrypt=${encrypt.algorithm}`,
          `--encrypt-key-file=${options.keyFile}`,
          `--encrypt-threads=${encrypt.threads}`,
        ]),
    // A write of its own: on a replica it would be a transaction that nobody else has.
    ...(settings.history === undefined || replica ? [] : [`--history=${settings.history}`]),
    ...(settings.pageTracking ? ['--page-tracking'] : []),
    ...(settings.registerRedoConsumer ? ['--register-redo-log-consumer'] : []),
    ...(options.fifos === undefined
      ? []
      : [
          `--fifo-streams=${options.fifos.streams}`,
          `--fifo-dir=${options.fifos.directory}`,
          `--fifo-timeout=${fifoTimeoutSeconds}`,
        ]),
  ];
}

export type PrepareOptions = {
  targetDir: string;
  /** Buffer pool for applying redo. */
  memoryBytes: number;
  /** A directory that no server uses. */
  temporary: string;
  toolVersion: string;
  threads: number;
  /** More is to be applied on top: nothing is rolled back yet. */
  redoOnly?: boolean;
  /** Where the next increment lies. */
  increment?: string;
};

/** Arguments for preparing a backup where it was unpacked, or one step of a chain; by the names that this tool has. */
export function xtrabackupPrepareArguments(options: PrepareOptions): string[] {
  const renamed = hasNewNames(options.toolVersion);
  return [
    `--defaults-file=${options.targetDir}/backup-my.cnf`,
    '--prepare',
    `--use-memory=${options.memoryBytes}`,
    `--target-dir=${options.targetDir}`,
    `--tmpdir=${options.temporary}`,
    ...(options.threads > 1 ? [`--parallel=${options.threads}`] : []),
    ...(options.redoOnly ? [renamed ? '--apply-redo-only' : '--apply-log-only'] : []),
    ...(options.increment === undefined
      ? []
      : [`${renamed ? '--prepare-incremental-from-dir' : '--incremental-dir'}=${options.increment}`]),
  ];
}

/**
 * Arguments for undoing what the tool itself did to its files: encryption first, since it came last. Empty where neither
 * was done. The option file is none of the host's.
 */
export function xtrabackupUnpackArguments(
  targetDir: string,
  settings: XtrabackupSettings | undefined,
  threads: number,
  keyFile: string,
): string[][] {
  const { compress, encrypt } = settings ?? {};
  const common = [`--target-dir=${targetDir}`, `--parallel=${threads}`, '--remove-original'];
  return [
    ...(encrypt === undefined
      ? []
      : [['--no-defaults', `--decrypt=${encrypt.algorithm}`, `--encrypt-key-file=${keyFile}`, ...common]]),
    ...(compress === undefined ? [] : [['--no-defaults', '--decompress', ...common]]),
  ];
}
