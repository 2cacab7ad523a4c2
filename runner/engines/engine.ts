import type { Fingerprint } from '../../contract/formats/fingerprint.ts';
import type { IndexFile, IndexRow } from '../../contract/formats/index-file.ts';
import type { Manifest, StreamSummary } from '../../contract/formats/manifest.ts';
import type { Position } from '../../contract/positions/position.ts';
import type {
  BackupOrder,
  CheckOrder,
  MemberInspection,
  RestoreOrder,
  TargetInspection,
} from '../../contract/records/job.ts';
import type {
  RestoreTablesOrder,
  RestoreTablesResult,
  TablesInspection,
} from '../../contract/records/restore-tables.ts';
import type { RunChild } from '../host/child.ts';

/** One line of the job's log; facts are allow-listed values, never secrets. */
export type Log = (message: string, facts?: Record<string, string | number | boolean | null>) => void;

/** Report of where the work stands; `bytes` counts towards `expectedBytes`. Feeds beats and the stall watchdog. */
export type ReportProgress = (phase: string, bytes?: number, expectedBytes?: number) => void;

/** What every verb of an engine gets. `signal` fires on cancel, fence and deadline with a NamedError as reason. */
export type EngineContext = {
  /** Private directory (0700) of this job, on tmpfs where there is one; removed when the job ends. */
  workDir: string;
  runChild: RunChild;
  /** Reads a secret `holdfast/<host>/<name>`. */
  readSecret: (name: string) => Promise<string>;
  /** Takes a secret that was read elsewhere (an option file on the host): no line of the log holds it from then on. */
  hide?: (secret: string) => void;
  log: Log;
  progress: ReportProgress;
  signal: AbortSignal;
};

/**
 * One byte stream on its way to volumes. What `write` gives resolves when the buffer has room again (back-pressure).
 * `row` adds index rows of the engine (chunks, files); volumes and frames are added by the stream itself.
 */
export type StreamSink = {
  /** Nothing is to be waited for where it gives no promise. `crc` is the CRC32 of the bytes, where the writer has it already. */
  write: (bytes: Buffer, crc?: number) => void | Promise<void>;
  /**
   * Where the next bytes would be copied to by `write`: whoever reads them straight into it (from its beginning, as many as
   * come) and then writes them saves that copy. Undefined while there is no such place. A write ends it, also for bytes in it that were not written.
   */
  landing?: () => Buffer | undefined;
  /** The tool has gone on to another file: a frame that holds 1 MiB or more may end here. */
  fileBoundary: () => void;
  row: (row: IndexRow) => void;
  /** Resolves when everything written so far is stored, so that a lock phase starts with an empty buffer. */
  drain: () => Promise<void>;
  /** Bytes accepted and not yet stored. */
  pending: () => number;
  /** From now on writes are taken into a bounded spool on disk instead of waiting for uploads (lock phase). */
  spool: (on: boolean) => void;
};

export type Sinks = { open: (stream: string) => StreamSink };

/** What the engine knows when its tool has ended well; the runner adds ids, streams and policy to make the manifest. */
export type BackupFacts = Pick<
  Manifest,
  'server' | 'tool' | 'position' | 'lsn' | 'comparison' | 'fingerprint' | 'restore'
> & {
  fingerprintBefore?: Fingerprint;
  relations?: Manifest['relations'];
  metrics: Pick<Manifest['metrics'], 'lockSeconds' | 'applierStoppedSeconds' | 'files' | 'tables' | 'rows'>;
};

export type Verdict = { complete: true } | { complete: false; reasons: string[] };
export type PreflightOutcome = { outcome: 'ready' } | { outcome: 'refused'; name: string; cause: string };

/** Reads back what was stored: the manifest's streams, whole and in order, or one file of the index. */
export type StoredBackup = {
  manifest: Manifest;
  /** The stream's bytes in order, decompressed and checked against the index; ranged and parallel behind it. */
  read: (stream: string) => AsyncIterable<Buffer>;
  /** Takes back what `read` gave: its memory is used again, and whoever still holds it sees other bytes. A second time does nothing. */
  done: (bytes: Buffer) => void;
  streams: StreamSummary[];
};

/** The archived log that a restore replays on top of its backup, up to an exact point. */
export type ArchivedLog = {
  /** Where the backup's data stands, as the archive knows it. */
  from: Position;
  until: Position;
  /** Writes the stored segments into this directory, each checked by its CRC32; answers their paths, oldest first. */
  fetch: (directory: string) => Promise<string[]>;
};

/** What a replay came to. Names are of at most 50 each. */
export type ReplayOutcome = {
  reached: Position;
  seconds: number;
  /** Transactions that were prepared and neither committed nor rolled back before the point: somebody decides on each. */
  prepared: string[];
  /** Events that a replica keeps disabled, to be enabled when the server is accepted. */
  disabledEvents: string[];
  /** Tables of which nothing, or nothing more, was replayed: another server's, or their rows ended with the backup's server. */
  leftOut?: string[];
};

/** Some bytes of a file: the next ones at `off`. `last`: nothing of this file follows. */
export type FilePiece = { path: string; off: number; bytes: Buffer; last: boolean };

/** Some files of a stored backup, and nothing else of it. */
export type StoredFiles = {
  manifest: Manifest;
  /** What the index says of the files of a stream, read anew at each call. */
  listFiles: (stream: string) => AsyncIterable<IndexFile>;
  /**
   * What the wanted files are made of, in the order of the stream and fetched by ranges. `wanted` is asked once the
   * index says which files there are. Every piece of a file is checked by the CRC32 that the tool gave it, and every
   * frame by its own; its memory is the reader's until it asks for the next. Bytes are handed out before the sum of
   * their piece is known: a reader must not finish anything before the end.
   */
  readFiles: (
    stream: string,
    wanted: (paths: readonly string[]) => (path: string) => boolean,
  ) => Promise<{ files: { path: string; bytes: number }[]; bytes: number; pieces: AsyncIterable<FilePiece> }>;
};

/** Tables that came beside the live ones, and what they were proven by. */
export type RestoredTables = Pick<RestoreTablesResult, 'comparison' | 'tables' | 'bytes' | 'position'>;

/** What a started, compared instance is. */
export type RestoredInstance = {
  socket: string;
  port: number;
  serverId: number;
  position: Position | null;
  /** As found at the backup's position, before anything was replayed. */
  fingerprint: Fingerprint;
  howToReach: string;
  replay?: ReplayOutcome;
};

/**
 * What every engine can do. One contract suite (`test/unit/runner/engines/contract-suite.ts`) is passed by each.
 * All verbs stop soon after `signal` fires and leave no child, lock or stopped applier behind.
 */
export type Engine = {
  /** What this engine can beyond a full backup and its restore, in the words of a check's result. */
  abilities?: readonly string[];
  /** Versions of the tools found on this host, null where one is missing. */
  tools: (context: EngineContext) => Promise<Record<string, string | null>>;
  inspect: (
    order: CheckOrder & { member: NonNullable<CheckOrder['member']> },
    context: EngineContext,
  ) => Promise<MemberInspection>;
  inspectTarget: (
    order: CheckOrder & { target: NonNullable<CheckOrder['target']> },
    context: EngineContext,
  ) => Promise<TargetInspection>;
  preflight: (order: BackupOrder, context: EngineContext) => Promise<PreflightOutcome>;
  backup: (order: BackupOrder, sinks: Sinks, context: EngineContext) => Promise<BackupFacts>;
  /** Undoes what a dead runner may have left on the server (a stopped applier, a session); harmless when nothing was. */
  sweep: (order: BackupOrder, context: EngineContext) => Promise<void>;
  /** The same for every server of this host of which a dead runner left a note; answers on how many it failed. */
  sweepHost: (context: EngineContext) => Promise<number>;
  restore: {
    /** Refuses, before anything is touched, what cannot work (`Restore.*`). */
    preflight: (order: RestoreOrder, manifest: Manifest, context: EngineContext) => Promise<PreflightOutcome>;
    unpack: (order: RestoreOrder, stored: StoredBackup, context: EngineContext) => Promise<void>;
    prepare: (order: RestoreOrder, manifest: Manifest, context: EngineContext) => Promise<void>;
    /** Brings the prepared files to where the next incremental of the chain ends. On failure nothing of the target stays. */
    apply?: (order: RestoreOrder, stored: StoredBackup, context: EngineContext) => Promise<void>;
    /** Renames the files into place, last the one without which the server cannot start, and starts it cut off from production. */
    start: (
      order: RestoreOrder,
      manifest: Manifest,
      context: EngineContext,
      log?: ArchivedLog,
    ) => Promise<RestoredInstance>;
  };
  /** Single tables beside the live ones; an engine that has none of it refuses by name. */
  tables?: {
    /** Whether a member may take them, and how they would come; changes nothing. */
    inspect: (
      order: CheckOrder & {
        member: NonNullable<CheckOrder['member']>;
        tables: NonNullable<CheckOrder['tables']>;
      },
      context: EngineContext,
    ) => Promise<TablesInspection>;
    /** Refuses, before anything is touched, what cannot work. */
    preflight: (
      order: RestoreTablesOrder,
      manifest: Manifest,
      context: EngineContext,
    ) => Promise<PreflightOutcome>;
    /**
     * Nothing of it stays when it fails. `timed` is told of each phase. `below`: the backups that an incremental builds
     * on, base first, each opened when it is asked for.
     */
    restore: (
      order: RestoreTablesOrder,
      stored: StoredFiles,
      context: EngineContext,
      log: ArchivedLog | undefined,
      timed: <T>(phase: string, step: () => Promise<T>) => Promise<T>,
      below?: readonly (() => Promise<StoredFiles>)[],
    ) => Promise<RestoredTables>;
  };
};
