import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeManifest } from '../../../../contract/formats/codec.ts';
import { backupPrefix, logKey, manifestKey } from '../../../../contract/layout.ts';
import type { BackupOrder, BackupResult } from '../../../../contract/records/job.ts';
import type { Engine } from '../../../../runner/engines/engine.ts';
import { runBackup } from '../../../../runner/job/backup.ts';
import { makeMemoryEngine, makeMemoryServer } from '../../../doubles/memory-engine.ts';
import { type MemoryRows, makeMemoryRows } from '../../../doubles/memory-rows.ts';
import { type S3Server, startS3Server } from '../../../doubles/s3-server.ts';
import { hostCredentials, openTestStore, runJob } from './job-under-test.ts';
import { backupOrder, queuedRow } from './orders.ts';

const order = backupOrder as unknown as BackupOrder;
const server = () =>
  makeMemoryServer({ orders: Array.from({ length: 3000 }, (_, i) => `row ${i} ${(i * 7919) % 10007}`) });

let s3: S3Server;
let rows: MemoryRows;
beforeEach(async () => {
  s3 = await startS3Server();
  rows = makeMemoryRows([queuedRow('j-1', order)]);
});
afterEach(() => s3.stop());

const never = async () => {
  throw new Error('not ordered');
};
const run = (engine: Engine) =>
  runJob(rows, 'j-1', ({ jobLog, scratch }) => ({
    check: never,
    restore: never,
    'restore-tables': never,
    backup: (given, job) =>
      runBackup(given, job, {
        engine,
        openStore: () => openTestStore(s3.url, hostCredentials, jobLog),
        spoolDir: scratch,
      }),
  }));
const keys = () => [...s3.objects.keys()].map((key) => key.slice(backupPrefix(order).length));
const manifest = () => decodeManifest(s3.objects.get(manifestKey(order))!.bytes);

describe('a backup job', () => {
  it('stores volumes, index and log, and the manifest last', async () => {
    const { outcome, row } = await run(makeMemoryEngine(server()));
    expect(outcome).toBe('succeeded');
    expect(keys().at(-1)).toBe('manifest.json');
    expect(keys().slice(-3, -1)).toEqual(['index/j-1.jsonl.zst', 'log/j-1.zst']);
    const result = row.result as BackupResult;
    expect(result).toMatchObject({
      kind: 'backup',
      jobId: 'j-1',
      backupId: 'b-1',
      manifestKey: manifestKey(order),
    });
    expect(result.volumes).toBe(keys().filter((key) => key.startsWith('volumes/main/')).length);
    const stored = s3.objects.get(manifestKey(order))!.bytes;
    expect(result.manifestSha256).toBe(createHash('sha256').update(stored).digest('hex'));
  });

  it('says in the manifest what was ordered, who did it and what was found', async () => {
    await run(makeMemoryEngine(server()));
    const { streams, metrics } = manifest();
    expect(manifest()).toMatchObject({
      clusterId: 'shop',
      backupId: 'b-1',
      jobId: 'j-1',
      memberId: 'db-1',
      hostId: 'mi-0abc',
      slot: '20261123T0200Z',
      runnerVersion: '1',
      comparison: 'exact',
      policy: { name: 'nightly' },
    });
    expect(metrics).toMatchObject({
      bytes: streams[0]!.bytes,
      storedBytes: streams[0]!.storedBytes,
      rows: 3000,
    });
    expect(Date.parse(manifest().committedAt)).toBeGreaterThanOrEqual(Date.parse(manifest().startedAt));
  });

  it('names only itself in the head of the index', async () => {
    await run(makeMemoryEngine(server()));
    const index = zstdDecompressSync(s3.objects.get(manifest().streams[0]!.index.key)!.bytes).toString();
    expect(JSON.parse(index.split('\n')[0]!)).toEqual({
      t: 'head',
      v: 1,
      clusterId: 'shop',
      backupId: 'b-1',
      jobId: 'j-1',
    });
  });

  it('puts every object only where none is', async () => {
    await run(makeMemoryEngine(server()));
    for (const { method, headers } of s3.seen) {
      expect([method, headers['if-none-match']]).toEqual(['PUT', '*']);
    }
  });

  it('looks for what a dead runner left before it begins, and refuses before it opens a stream', async () => {
    const calls: string[] = [];
    const engine: Engine = {
      ...makeMemoryEngine(server()),
      sweep: async () => void calls.push('sweep'),
      preflight: async () => {
        calls.push('preflight');
        return {
          outcome: 'refused',
          name: 'Member.Ineligible',
          cause: 'it lags by 900 s; 300 s are allowed',
        };
      },
    };
    const { row } = await run(engine);
    expect(calls).toEqual(['sweep', 'preflight']);
    expect(row.error).toMatchObject({
      name: 'Member.Ineligible',
      cause: 'it lags by 900 s; 300 s are allowed',
    });
    expect(s3.objects.size).toBe(0);
  });

  it('F01 leaves no manifest when the tool fails after partial output, but its log', async () => {
    const engine: Engine = {
      ...makeMemoryEngine(server()),
      backup: async (_order, sinks) => {
        await sinks.open('main').write(Buffer.alloc(300_000, 1));
        throw new Error('exit 3');
      },
    };
    const { outcome, row } = await run(engine);
    expect([outcome, row.state]).toEqual(['failed', 'failed']);
    expect(keys()).not.toContain('manifest.json');
    const log = zstdDecompressSync(s3.objects.get(logKey(order, 'j-1'))!.bytes).toString();
    expect(log).toContain('claimed');
  });

  it('F04 names the upload as the cause when the store refuses it', async () => {
    s3.fault({
      method: 'PUT',
      times: 99,
      key: /volumes/,
      kind: { do: 'answer', status: 403, code: 'AccessDenied' },
    });
    const { row } = await run(makeMemoryEngine(server()));
    expect(row.error).toMatchObject({ name: 'Store.Denied' });
    expect(keys()).not.toContain('manifest.json');
  });

  it('writes no manifest for a job that was cancelled while it ran', async () => {
    const slow = server();
    slow.rowMs = 5;
    const engine = makeMemoryEngine(slow);
    const backup: Engine['backup'] = (...given) => {
      setTimeout(() => {
        rows.rows.get('j-1')!.state = 'cancelled';
      }, 60);
      return engine.backup(...given);
    };
    const { row } = await run({ ...engine, backup });
    expect(row).toMatchObject({
      state: 'cancelled',
      error: { name: 'Job.Cancelled' },
      endedAt: expect.any(String),
    });
    expect(keys()).not.toContain('manifest.json');
    expect(slow.sessions).toBe(0);
  });

  it('writes no manifest when it was given up at the last moment', async () => {
    const engine = makeMemoryEngine(server());
    const backup: Engine['backup'] = async (...given) => {
      const facts = await engine.backup(...given);
      const row = rows.rows.get('j-1')!;
      rows.beat = async () => ({ outcome: 'alive', state: 'claimed', token: undefined });
      row.state = 'lost';
      return facts;
    };
    const { row } = await run({ ...engine, backup });
    expect(row).toMatchObject({ state: 'lost', error: { name: 'Job.Lost' } });
    expect(keys()).not.toContain('manifest.json');
  });

  it('does not take the manifest of another run for its own', async () => {
    s3.objects.set(manifestKey(order), { bytes: Buffer.from('{}'), crc: '', version: 'v' });
    const { row } = await run(makeMemoryEngine(server()));
    expect(row.error).toMatchObject({ name: 'Store.Conflict' });
  });

  it('F76 keeps what the engine calls secret out of the stored log', async () => {
    const engine: Engine = {
      ...makeMemoryEngine(server()),
      preflight: async (_order, context) => {
        context.log('logging in', { with: await context.readSecret('holdfast/mi-0abc/db') });
        return { outcome: 'refused', name: 'Member.LoginFailed', cause: `no: pa$$'"w;ord` };
      },
    };
    const { row, log } = await runJob(rows, 'j-1', ({ jobLog, scratch }) => {
      jobLog.hide(`pa$$'"w;ord`);
      return {
        check: never,
        restore: never,
        'restore-tables': never,
        backup: (given, job) =>
          runBackup(
            given,
            { ...job, context: { ...job.context, readSecret: async () => `pa$$'"w;ord` } },
            { engine, openStore: () => openTestStore(s3.url, hostCredentials, jobLog), spoolDir: scratch },
          ),
      };
    });
    expect(log).toContain('[redacted]');
    expect(`${log}${JSON.stringify(row)}`).not.toMatch(/w;ord/);
  });
});
