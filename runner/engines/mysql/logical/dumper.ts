import { versionIn } from '../versions.ts';
import type { DumperLine } from './dump-files.ts';

/** How mydumper is called. Paths are absolute. */
export type DumpArguments = {
  line: DumperLine;
  /** Option file with user and password; the only one that is read. */
  defaultsFile: string;
  address: { socket: string } | { host: string; port: number };
  outputDirectory: string;
  threads: number;
  /** What is dumped, and its version as it says it. */
  server: { family: 'mariadb' | 'mysql'; version: string };
};

/** The line of a version as `--version` tells it; undefined for one whose options nobody has looked at. */
export function dumperLine(version: string | null): DumperLine | undefined {
  const [major, minor] = (version ?? '').split('.').map(Number);
  if (major === 0 && minor === 10) return '0.10';
  return major === 1 ? '1.x' : undefined;
}

/** A file holds up to this much (MB): a piece that is read, loaded or thrown away by itself. */
const fileMegabytes = 64;

/** Schemas of the server itself. The tool asks with `schema` and with `schema.table`, and takes no heed of case. */
const notOfServer = '^(?!(mysql|sys|performance_schema|information_schema)(\\.|$))';

/**
 * Arguments of a dump of all that users have. Left out on purpose: every lock and guard of the tool's own. The runner
 * holds the one lock for the moment in which the threads open their snapshots (`snapshot-lock.ts`), because
 * FLUSH TABLES WITH READ LOCK waits for the longest running query and everything queues behind it (M21). And
 * `replica-data` of 1.x, with which it starts the applier while others rely on its standing still.
 */
export function dumpArguments({ line, server, ...options }: DumpArguments): string[] {
  const { address } = options;
  return [
    `--defaults-file=${options.defaultsFile}`,
    ...('socket' in address
      ? [`--socket=${address.socket}`]
      : [`--host=${address.host}`, `--port=${address.port}`]),
    `--outputdir=${options.outputDirectory}`,
    // 1.x refuses fewer than two.
    `--threads=${line === '1.x' ? Math.max(2, options.threads) : options.threads}`,
    `--regex=${notOfServer}`,
    `--chunk-filesize=${fileMegabytes}`,
    // Names of columns in every statement: generated and invisible ones move the others otherwise.
    '--complete-insert',
    '--triggers',
    '--events',
    '--routines',
    '--verbose=3',
    ...(line === '1.x'
      ? [
          // By itself it goes by `version_comment`, and asks a server that says there whose package it is in old words.
          `--server-version=${server.family}-${versionIn(server.version)}`,
          // With NO_LOCK its threads open no snapshot at all (1.0.1-3, measured).
          '--sync-thread-lock-mode=SAFE_NO_LOCK',
          '--skip-ddl-locks',
          // Names as they are, rows in the bytes of their columns: one set alone would be that of the rows too.
          '--default-character-set=utf8mb4,binary',
          // What it takes for transactional; others it refuses, and they are dumped only where nobody writes.
          '--optimize-keys-engines=InnoDB,ROCKSDB,MyISAM,Aria,CSV,ARCHIVE,MEMORY',
        ]
      : ['--no-locks', '--tz-utc']),
  ];
}

/**
 * What 1.x must set in its sessions, as a group of its option file: it asks by EXPLAIN how many rows a table has and
 * looks for a column `rows`, which the tree that MySQL 9 prints by default has not; it dies of that (1.0.1-3, SIGSEGV).
 */
export const dumperSession = (line: DumperLine, variables: Readonly<Record<string, string>>): string =>
  line === '1.x' && variables.explain_format !== undefined
    ? '\n[mydumper_session_variables]\nexplain_format=TRADITIONAL\n'
    : '';

/** Whether a line of the tool's log says that every thread has its snapshot open; nothing is dumped before. */
export function saysSnapshotsOpen(said: string, line: DumperLine): boolean {
  return line === '1.x'
    ? /Transactions started, unlocking tables/.test(said)
    : /: Thread \d+ dumping /.test(said);
}

/** Whether a line of the tool's log is about something that went wrong. */
export const saysWrong = (said: string): boolean => /\*\* (?:\(.*?\): )?(?:CRITICAL|ERROR)\b/.test(said);
