import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { decodeManifest, encodeManifest } from '../../../../contract/formats/codec.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { Member } from '../../../../contract/records/cluster.ts';
import {
  type BackupOrder,
  memberInspectionSchema,
  type RestoreOrder,
  targetInspectionSchema,
} from '../../../../contract/records/job.ts';
import { compareFingerprints } from '../../../../runner/engines/compare-fingerprints.ts';
import type {
  Engine,
  EngineContext,
  RestoredInstance,
  Sinks,
  StoredBackup,
} from '../../../../runner/engines/engine.ts';
import { makeRunChild } from '../../../../runner/host/run-child.ts';
import { composeManifest } from '../../../../runner/job/manifest.ts';

/** What an engine brings to be examined. */
export type EngineUnderTest = {
  engine: Engine;
  /** Backs up a server that is up and holds a few tables with rows. */
  order: BackupOrder;
  /** A member at whose address nobody answers. */
  unreachable: Member;
  /** A port for each instance that is restored. */
  nextPort: () => number;
  /** Account that restored servers run as. */
  user: string;
  /** Changes rows on the server. */
  change: () => Promise<void>;
  /** Makes the server slow or large enough that a backup can be met half way. */
  slow: () => Promise<void>;
  /** What a verb may have left on the server or host (sessions, locks, stopped appliers, children), in words. */
  leftovers: () => Promise<string[]>;
  /** Stops what a restore started. */
  stop: (instance: RestoredInstance, directory: string) => Promise<void>;
  close: () => Promise<void>;
  /** Where restores may go and servers' accounts may walk; default is a temporary directory. */
  directory?: string;
  /** Where its tools are found, unless that is the system's directories. */
  path?: string;
};

type Stored = { manifest: Manifest; bytes: Buffer };

/** The contract of `runner/engines/engine.ts`: every engine passes the same sentences. */
export function engineContract(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`${name} keeps the contract of an engine`, () => {
    let tested: EngineUnderTest;
    let directory: string;
    const undo: (() => Promise<void>)[] = [];
    beforeAll(async () => {
      tested = await make();
      directory = mkdtempSync(join(tested.directory ?? tmpdir(), 'engine-contract-'));
      // Restored servers run as an account of their own, which must reach what is theirs.
      chmodSync(directory, 0o755);
    }, 120_000);
    afterEach(async () => {
      for (const step of undo.splice(0)) await step();
      expect(await tested.leftovers()).toEqual([]);
    });
    afterAll(async () => {
      await tested?.close();
      rmSync(directory, { recursive: true, force: true });
    });

    let counter = 0;
    const context = (changes: Partial<EngineContext> = {}): EngineContext => {
      const workDir = join(directory, `work-${counter++}`);
      mkdirSync(workDir, { mode: 0o700 });
      return {
        workDir,
        runChild: makeRunChild(tested.path === undefined ? {} : { path: tested.path }),
        readSecret: async () => '',
        log: () => {},
        progress: () => {},
        signal: new AbortController().signal,
        ...changes,
      };
    };

    const collect = (): { sinks: Sinks; streams: Map<string, Buffer[]> } => {
      const streams = new Map<string, Buffer[]>();
      return {
        streams,
        sinks: {
          open: (stream) => {
            const pieces: Buffer[] = [];
            streams.set(stream, pieces);
            return {
              write: async (bytes) => void pieces.push(Buffer.from(bytes)),
              fileBoundary: () => {},
              row: () => {},
              drain: async () => {},
              pending: () => 0,
              spool: () => {},
            };
          },
        },
      };
    };

    const backup = async (given = context()): Promise<Stored> => {
      const { order } = tested;
      const { sinks, streams } = collect();
      const facts = await tested.engine.backup(order, sinks, given);
      const bytes = Buffer.concat(streams.get('main')!);
      const manifest = composeManifest(
        order,
        facts,
        [
          {
            stream: 'main',
            jobId: 'j-1',
            codec: 'none',
            volumes: 1,
            bytes: bytes.length,
            storedBytes: bytes.length,
            frames: 1,
            index: { key: 'k', bytes: 1, sha256: '0'.repeat(64), version: null },
          },
        ],
        {
          jobId: 'j-1',
          hostId: order.member.hostId,
          runnerVersion: '1',
          startedAt: new Date(),
          committedAt: new Date(),
        },
      );
      return { manifest, bytes };
    };

    const stored = ({ manifest, bytes }: Stored): StoredBackup => ({
      manifest,
      streams: manifest.streams,
      read: async function* () {
        for (let at = 0; at < bytes.length; at += 65_536) yield Buffer.from(bytes.subarray(at, at + 65_536));
      },
      // Whoever reads on in what he has given back reads zeros.
      done: (given) => void given.fill(0),
    });

    const restoreOrder = (to: string, port = tested.nextPort()): RestoreOrder => {
      const { clusterId, backupId, engine, flavour, site, policy } = tested.order;
      const target = { hostId: 'mi-0abc', directory: to, port, user: tested.user };
      return {
        kind: 'restore',
        clusterId,
        backupId,
        engine,
        flavour,
        site,
        target,
        manifestSha256: '0'.repeat(64),
        policy,
      };
    };

    const restore = async (
      from: Stored,
      order: RestoreOrder,
      given = context(),
    ): Promise<RestoredInstance> => {
      const { engine } = tested;
      const ready = await engine.restore.preflight(order, from.manifest, given);
      if (ready.outcome === 'refused') throw new Error(`${ready.name}: ${ready.cause}`);
      await engine.restore.unpack(order, stored(from), given);
      await engine.restore.prepare(order, from.manifest, given);
      const instance = await engine.restore.start(order, from.manifest, given);
      undo.push(() => tested.stop(instance, order.target.directory));
      return instance;
    };

    it('names its tools with their versions, null where one is missing', async () => {
      const tools = await tested.engine.tools(context());
      expect(Object.keys(tools).length).toBeGreaterThan(0);
      for (const version of Object.values(tools)) expect(version === null || version !== '').toBe(true);
    });

    it('inspects a member that can be backed up', async () => {
      const { member, engine, flavour, policy } = tested.order;
      const found = await tested.engine.inspect(
        { kind: 'check', engine, flavour, member, policy },
        context(),
      );
      expect(memberInspectionSchema.parse(found)).toMatchObject({ reachable: true, ineligible: [] });
      expect(found.memberId).toBe(member.memberId);
      expect(found.dataBytes).toBeGreaterThan(0);
    });

    it('answers for a member that nobody can reach, rather than break', async () => {
      const { engine, flavour } = tested.order;
      const order = { kind: 'check' as const, engine, flavour, member: tested.unreachable };
      const found = await tested.engine.inspect(order, context());
      expect(memberInspectionSchema.parse(found).reachable).toBe(false);
      expect(found.ineligible.length).toBeGreaterThan(0);
    });

    it('says what stands where a restore wants to go', async () => {
      const { engine, flavour } = tested.order;
      const look = async (to: string) => {
        const target = { hostId: 'mi-0abc', directory: to, port: tested.nextPort(), user: tested.user };
        const found = await tested.engine.inspectTarget(
          { kind: 'check', engine, flavour, target },
          context(),
        );
        return targetInspectionSchema.parse(found);
      };
      const taken = join(directory, 'taken');
      mkdirSync(taken);
      expect(await look(taken)).toMatchObject({ directoryState: 'empty', portFree: true, userExists: true });
      writeFileSync(join(taken, 'ibdata1'), '');
      expect(await look(taken)).toMatchObject({ directoryState: 'not-empty', entries: ['ibdata1'] });
      const absent = await look(join(directory, 'absent', 'deeper'));
      expect(absent.directoryState).toBe('absent');
      expect(absent.freeBytes).toBeGreaterThan(0);
    });

    it('is ready for its order, and sweeping twice where nothing was left is harmless', async () => {
      const given = context();
      await tested.engine.sweep(tested.order, given);
      await tested.engine.sweep(tested.order, given);
      expect(await tested.engine.sweepHost(given)).toBe(0);
      expect(await tested.engine.preflight(tested.order, given)).toEqual({ outcome: 'ready' });
    });

    it('refuses, by value, to back up a member that nobody can reach', async () => {
      const outcome = await tested.engine.preflight(
        { ...tested.order, member: tested.unreachable },
        context(),
      );
      expect(outcome).toMatchObject({ outcome: 'refused' });
    });

    it('gives facts that make a manifest which reads back as it was', async () => {
      const phases: string[] = [];
      const { manifest, bytes } = await backup(context({ progress: (phase) => phases.push(phase) }));
      expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
      expect(bytes.length).toBeGreaterThan(0);
      expect(manifest.fingerprint.tables.length).toBeGreaterThan(0);
      expect(manifest.restore.bytes).toBeGreaterThan(0);
      expect(phases.length).toBeGreaterThan(0);
    });

    it('brings back what was backed up, not what came after', async () => {
      const taken = await backup();
      await tested.change();
      const order = restoreOrder(join(directory, 'back'));
      const instance = await restore(taken, order);
      expect(compareFingerprints(taken.manifest, instance.fingerprint).differences).toEqual([]);
      expect(instance.port).toBe(order.target.port);
      expect(instance.serverId).not.toBe(taken.manifest.server.serverId);
      const now = await backup();
      if (taken.manifest.comparison === 'exact') {
        expect(compareFingerprints(now.manifest, instance.fingerprint).differences).not.toEqual([]);
      }
    });

    it('F67 refuses a directory that holds anything, before it touches it', async () => {
      const taken = await backup();
      const full = join(directory, 'full');
      mkdirSync(full);
      writeFileSync(join(full, 'precious'), '');
      const outcome = await tested.engine.restore.preflight(restoreOrder(full), taken.manifest, context());
      expect(outcome).toMatchObject({ outcome: 'refused', name: 'Restore.DirectoryNotEmpty' });
    });

    it('F69 does not start what was cut off', async () => {
      const taken = await backup();
      const cut = { ...taken, bytes: taken.bytes.subarray(0, Math.floor(taken.bytes.length * 0.6)) };
      await expect(restore(cut, restoreOrder(join(directory, 'cut')))).rejects.toThrow();
    });

    it('ends soon when it is told to, and leaves nothing', async () => {
      await tested.slow();
      const controller = new AbortController();
      const reason = new NamedError('Job.Cancelled', 'enough');
      const { sinks } = collect();
      const opened = Promise.withResolvers<void>();
      const watched: Sinks = {
        open: (stream) => {
          opened.resolve();
          return sinks.open(stream);
        },
      };
      const running = tested.engine.backup(tested.order, watched, context({ signal: controller.signal }));
      running.catch(() => opened.resolve());
      await opened.promise;
      controller.abort(reason);
      const started = performance.now();
      await expect(running).rejects.toThrow('enough');
      expect(performance.now() - started).toBeLessThan(30_000);
    });

    it('F04 ends with the error of the upload when the sink fails', async () => {
      const cause = new NamedError('Store.Denied', 'the store refused');
      const { sinks } = collect();
      const failing: Sinks = {
        open: (stream) => ({ ...sinks.open(stream), write: () => Promise.reject(cause) }),
      };
      await expect(tested.engine.backup(tested.order, failing, context())).rejects.toThrow(
        'the store refused',
      );
    });
  });
}
