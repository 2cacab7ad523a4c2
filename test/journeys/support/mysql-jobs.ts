import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IndexRow } from '../../../contract/formats/index-file.ts';
import type { Manifest } from '../../../contract/formats/manifest.ts';
import { neededOf } from '../../../contract/formats/needed-bytes.ts';
import type { Increment } from '../../../contract/records/backup.ts';
import type { Member } from '../../../contract/records/cluster.ts';
import type { BackupOrder, RestoreOrder } from '../../../contract/records/job.ts';
import { policySchema } from '../../../contract/records/policy.ts';
import type { MariadbServer } from '../../../infra/local/mariadb.ts';
import type {
  Engine,
  EngineContext,
  StoredBackup,
  StoredFiles,
  StreamSink,
} from '../../../runner/engines/engine.ts';
import { makeRunChild } from '../../../runner/host/run-child.ts';
import { composeManifest } from '../../../runner/job/manifest.ts';

export const policy = policySchema.parse({
  name: 'nightly',
  schedule: { cron: '0 2 * * *' },
  method: 'physical',
  codec: 'none',
});

export function memberOf(server: MariadbServer, credential?: Member['credential']): Member {
  return {
    memberId: server.name,
    set: 'main',
    hostId: 'mi-0abc',
    socket: server.socket,
    datadir: server.datadir,
    defaultsFile: server.defaultsFile,
    credential: credential ?? { kind: 'socket', user: 'root' },
  };
}

/** An order as Control would write it for this member. */
export function backupOrderFor(member: Member, changes: Partial<BackupOrder> = {}): BackupOrder {
  const replica = member.memberId === 'replica';
  return {
    kind: 'backup',
    clusterId: 'shop',
    backupId: 'b-1',
    engine: 'mysql',
    flavour: 'mariadb',
    member,
    slot: null,
    policy,
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    plan: {
      method: 'physical',
      level: 'full',
      reasons: [],
      role: replica ? 'replica' : 'primary',
      checkpointFirst: replica,
      stopApplier: true,
      volumeBytes: 32 * 1024 * 1024,
      uploadsInFlight: 2,
      frameBytes: 4 * 1024 * 1024,
      expectedBytes: 1,
      chain: 'b-1',
      parent: null,
      timeline: 't-1',
      deadlineSeconds: 600,
    },
    ...changes,
  };
}

/** An order of an incremental on top of these backups, as Control would write it after it recorded them; of a full on none. */
export function orderOnTop(
  member: Member,
  links: readonly Pick<Taken, 'manifest'>[],
  change: Partial<Increment> = {},
): BackupOrder {
  const order = backupOrderFor(member, { backupId: `b-${links.length}` });
  const parent = links.at(-1)?.manifest;
  if (parent === undefined) return { ...order, plan: { ...order.plan, chain: 'b-0' } };
  const { uuid, serverId, datadir = '', files = '' } = parent.server;
  const increment: Increment = {
    links: links.map(({ manifest }) => manifest.backupId),
    fromLsn: parent.lsn?.to ?? '',
    origin: { uuid, serverId, datadir, files },
    serverVersion: parent.server.version,
    toolVersion: parent.tool.version,
    ...change,
  };
  const level = 'incremental' as const;
  return { ...order, plan: { ...order.plan, level, chain: 'b-0', parent: parent.backupId, increment } };
}

export function restoreOrderFor(directory: string, port: number): RestoreOrder {
  return {
    kind: 'restore',
    clusterId: 'shop',
    backupId: 'b-1',
    engine: 'mysql',
    flavour: 'mariadb',
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    target: { hostId: 'mi-0abc', directory, port, user: 'mysql' },
    manifestSha256: '0'.repeat(64),
    policy,
  };
}

let contexts = 0;

/** A job's context over real children; `lines` gets the log. */
export function contextIn(
  directory: string,
  changes: Partial<EngineContext> = {},
  lines: string[] = [],
): EngineContext {
  const workDir = join(directory, `work-${contexts++}`);
  mkdirSync(workDir, { recursive: true, mode: 0o700 });
  return {
    workDir,
    runChild: makeRunChild(),
    readSecret: async () => '',
    log: (message) => void lines.push(message),
    progress: () => {},
    signal: new AbortController().signal,
    ...changes,
  };
}

/** `bytes`: of all streams; `parts`: of each, where there are several. */
export type Taken = { manifest: Manifest; bytes: Buffer; parts?: Map<string, Buffer>; rows: IndexRow[] };

/** Runs the engine's backup into memory and makes the manifest that the runner would. */
export async function takeBackup(
  engine: Engine,
  order: BackupOrder,
  context: EngineContext,
  sinkChanges: Partial<StreamSink> = {},
): Promise<Taken> {
  const opened = new Map<string, Buffer[]>();
  const rows: IndexRow[] = [];
  const open = (name: string): StreamSink => {
    const pieces: Buffer[] = [];
    opened.set(name, pieces);
    return {
      write: async (bytes) => void pieces.push(Buffer.from(bytes)),
      fileBoundary: () => {},
      row: (row) => void rows.push(row),
      drain: async () => {},
      pending: () => 0,
      spool: () => {},
      ...sinkChanges,
    };
  };
  const startedAt = new Date();
  const facts = await engine.backup(order, { open }, context);
  const parts = new Map([...opened].map(([name, pieces]) => [name, Buffer.concat(pieces)]));
  const streams = [...parts].map(([stream, { length }]) => ({
    stream,
    jobId: 'j-1',
    codec: 'none' as const,
    volumes: 1,
    bytes: length,
    storedBytes: length,
    frames: 1,
    index: { key: 'k', bytes: 1, sha256: '0'.repeat(64), version: null },
  }));
  const job = { jobId: 'j-1', hostId: 'mi-0abc', runnerVersion: '1', startedAt, committedAt: new Date() };
  const bytes = Buffer.concat([...parts.values()]);
  return { manifest: composeManifest(order, facts, streams, job), bytes, parts, rows };
}

/** The tool's call as a plan shows it: what the job made for itself is not known there. */
export const shownOf = ({ tool }: Pick<Manifest, 'tool'>): string[] => [
  tool.name,
  ...tool.arguments.map((argument) =>
    argument.replace(/=.*\/(client\.cnf|lsn|tool|key|fifo)$/, '=<private>/$1'),
  ),
];

/** What a restore reads back: each stream in pieces that end anywhere. */
export function storedOf(taken: Pick<Taken, 'manifest' | 'bytes' | 'parts'>): StoredBackup {
  const { manifest } = taken;
  return {
    manifest,
    streams: manifest.streams,
    read: async function* (stream) {
      const bytes = (manifest.streams.length > 1 ? taken.parts?.get(stream) : undefined) ?? taken.bytes;
      for (let at = 0; at < bytes.length; at += 1_000_003)
        yield Buffer.from(bytes.subarray(at, at + 1_000_003));
    },
    // Whoever reads on in what he has given back reads zeros.
    done: (given) => void given.fill(0),
  };
}

/** The same by its index: some files of it, and nothing else. */
export function storedFilesOf({ manifest, bytes: stream, rows }: Taken): StoredFiles {
  async function* files() {
    for (const row of rows) if (row.t === 'file') yield row;
  }
  async function* chunksOf() {
    for (const row of rows) if (row.t === 'chunk') yield row;
  }
  return {
    manifest,
    listFiles: files,
    readFiles: async (_, wanted) => {
      const isWanted = wanted(rows.flatMap((row) => (row.t === 'file' ? [row.path] : [])));
      const roleOf = (path: string) => (isWanted(path) ? 'wanted' : undefined);
      const found = await neededOf({ files, chunks: chunksOf }, roleOf);
      const last = new Map(found.chunks.map((chunk) => [chunk.file, chunk]));
      async function* pieces() {
        for (const chunk of found.chunks) {
          const { file, off, from, bytes } = chunk;
          const piece = Buffer.from(stream.subarray(from, from + bytes));
          yield { path: file.path, off, bytes: piece, last: last.get(file) === chunk };
        }
      }
      const bytes = found.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
      return { files: found.files, bytes, pieces: pieces() };
    },
  };
}

/** Ends the server that a restore left running in `directory`, as an operator would: by the pid in its file. */
export async function stopRestored(directory: string): Promise<void> {
  const read = (name: string) => readFile(join(directory, name), 'utf8').catch(() => undefined);
  const pid = Number((await read('mariadb.pid')) ?? (await read('mysql.pid')) ?? '0');
  if (pid === 0) return;
  process.kill(pid, 'SIGTERM');
  for (let i = 0; i < 200; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  process.kill(pid, 'SIGKILL');
}
