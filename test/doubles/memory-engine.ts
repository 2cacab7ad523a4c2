import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { Fingerprint } from '../../contract/formats/fingerprint.ts';
import type { Engine } from '../../runner/engines/engine.ts';
import { directoryState, freeBytes } from '../../runner/host/disks.ts';

export type MemoryServer = {
  tables: Map<string, string[]>;
  reachable: boolean;
  /** Sessions open now; a verb that leaves one behind has a leak. */
  sessions: number;
  /** What stands in a directory after a restore, by port. */
  started: Map<number, Map<string, string[]>>;
  /** Milliseconds between two rows of a backup, so that a test can come in between. */
  rowMs: number;
};

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const sumOf = (rows: string[]) => sha256([...rows].sort().join('\n'));

export function makeMemoryServer(tables: Record<string, string[]>): MemoryServer {
  return {
    tables: new Map(Object.entries(tables)),
    reachable: true,
    sessions: 0,
    started: new Map(),
    rowMs: 0,
  };
}

function fingerprintOf(tables: Map<string, string[]>): Fingerprint {
  const names = [...tables.keys()].sort();
  return {
    v: 1,
    takenAt: '2026-11-23T02:00:00.000Z',
    position: { kind: 'mysql', flavour: 'mariadb', gtid: '0-1-7' },
    schemaSha256: sha256(names.join('\n')),
    accountsSha256: sha256('root'),
    seed: 'seed',
    coverage: 'full',
    tables: names.map((table) => ({
      schema: 'shop',
      table,
      rows: tables.get(table)!.length,
      checksum: sumOf(tables.get(table)!),
    })),
  };
}

/** One line per row and a last one over all of them, without which the stream is not complete. */
const streamLines = (tables: Map<string, string[]>) =>
  [...tables].flatMap(([table, rows]) => rows.map((row) => JSON.stringify([table, row])));

function readStream(text: string): Map<string, string[]> {
  const lines = text.split('\n').filter(Boolean);
  const last = lines.pop() ?? '';
  if (last !== `end ${sha256(lines.join('\n'))}`) {
    throw new NamedError(
      'Restore.PrepareFailed',
      'the stream has no end, or another content than its end says',
    );
  }
  const tables = new Map<string, string[]>();
  for (const line of lines) {
    const [table, row] = JSON.parse(line) as [string, string];
    tables.set(table, [...(tables.get(table) ?? []), row]);
  }
  return tables;
}

/** The smallest engine that keeps the contract: a server that is a map, a stream of lines, a data directory of one file. */
export function makeMemoryEngine(server: MemoryServer): Engine {
  const session = async <T>(use: () => Promise<T>): Promise<T> => {
    if (!server.reachable) throw new NamedError('Member.LoginFailed', 'nobody answers');
    server.sessions++;
    try {
      return await use();
    } finally {
      server.sessions--;
    }
  };
  const partial = (directory: string) => join(`${directory}.partial`, 'stream');
  return {
    tools: async () => ({ memory: '1.0.0', absent: null }),
    inspect: async ({ member }) => ({
      memberId: member.memberId,
      hostId: member.hostId,
      reachable: server.reachable,
      role: 'standalone',
      serverVersion: '1.0.0',
      serverUuid: 'memory',
      serverId: 1,
      toolVersion: '1.0.0',
      datadir: member.datadir,
      dataBytes: streamLines(server.tables).join('\n').length,
      redoBytes: 0,
      freeBytes: await freeBytes('/'),
      lagSeconds: null,
      position: null,
      logsBinary: true,
      outsideDatadir: [],
      ineligible: server.reachable ? [] : ['Member.LoginFailed: nobody answers'],
    }),
    inspectTarget: async ({ target }) => {
      const { state, entries } = await directoryState(target.directory);
      return {
        directoryState: state,
        entries,
        freeBytes: await freeBytes(target.directory),
        portFree: !server.started.has(target.port),
        userExists: true,
      };
    },
    preflight: async () =>
      server.reachable
        ? { outcome: 'ready' }
        : { outcome: 'refused', name: 'Member.LoginFailed', cause: 'nobody answers' },
    sweep: async () => {},
    sweepHost: async () => 0,
    backup: (_order, sinks, { signal, progress }) =>
      session(async () => {
        const sink = sinks.open('main');
        const lines = streamLines(server.tables);
        let bytes = 0;
        for (const line of lines) {
          if (server.rowMs > 0) await sleep(server.rowMs, undefined, { signal }).catch(() => undefined);
          signal.throwIfAborted();
          await sink.write(Buffer.from(`${line}\n`));
          bytes += line.length + 1;
          progress('streaming', bytes);
        }
        await sink.write(Buffer.from(`end ${sha256(lines.join('\n'))}\n`));
        const fingerprint = fingerprintOf(server.tables);
        return {
          server: {
            version: '1.0.0',
            uuid: 'memory',
            serverId: 1,
            role: 'standalone',
            variables: {},
            options: [],
          },
          tool: { name: 'memory', version: '1.0.0', arguments: [], exitCode: 0 },
          position: fingerprint.position,
          lsn: null,
          comparison: 'exact',
          fingerprint,
          restore: { bytes, memoryBytes: 0, toolVersion: '1.0.0', byHand: [], outsideDatadir: [] },
          metrics: {
            lockSeconds: 0,
            applierStoppedSeconds: 0,
            files: 1,
            tables: fingerprint.tables.length,
            rows: lines.length,
          },
        };
      }),
    restore: {
      preflight: async ({ target }) => {
        const { state, entries } = await directoryState(target.directory);
        if (state === 'absent' || state === 'empty') return { outcome: 'ready' };
        return {
          outcome: 'refused',
          name: 'Restore.DirectoryNotEmpty',
          cause: `${target.directory} holds ${entries.join(', ')}; name one that is empty or absent`,
        };
      },
      unpack: async ({ target }, stored, { signal }) => {
        const pieces: Buffer[] = [];
        for await (const bytes of stored.read('main')) {
          signal.throwIfAborted();
          pieces.push(bytes);
        }
        await mkdir(dirname(partial(target.directory)), { recursive: true });
        await writeFile(partial(target.directory), Buffer.concat(pieces));
      },
      prepare: async ({ target }) => {
        readStream(await readFile(partial(target.directory), 'utf8'));
      },
      start: async ({ target }) => {
        await mkdir(target.directory, { recursive: true });
        await rename(partial(target.directory), join(target.directory, 'stream'));
        const tables = readStream(await readFile(join(target.directory, 'stream'), 'utf8'));
        server.started.set(target.port, tables);
        const fingerprint = fingerprintOf(tables);
        return {
          socket: join(target.directory, 'socket'),
          port: target.port,
          serverId: 1_000_000 + target.port,
          position: fingerprint.position,
          fingerprint,
          howToReach: `memory --port ${target.port}`,
        };
      },
    },
  };
}
