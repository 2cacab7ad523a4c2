import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect } from 'vitest';
import type { CheckResult } from '../../../contract/records/job.ts';
import { resultOf } from '../../../functions/reconcile/lost-jobs.ts';
import { makeStreamTee } from '../../../runner/engines/mysql/tool-run.ts';
import { requiredFiles, verdict } from '../../../runner/engines/mysql/xbstream/completeness.ts';
import { fileRows } from '../../../runner/engines/mysql/xbstream/index-rows.ts';
import { makeClock } from '../../../runner/host/clock.ts';
import { makeRunChild } from '../../../runner/host/run-child.ts';
import { defaultIntervals, type Intervals } from '../../../runner/job/intervals.ts';
import { makeJobLog } from '../../../runner/job/log.ts';
import { superviseJob } from '../../../runner/job/supervise.ts';
import type { Job } from '../../../runner/job/work.ts';
import { openSinks } from '../../../runner/stream/sink.ts';
import { example } from '../../doubles/examples.ts';
import { makeMemoryRows } from '../../doubles/memory-rows.ts';
import { fileOf, smallMariadbStream } from '../../doubles/xbstream-writer.ts';
import { checkOrder, queuedRow } from '../../unit/runner/job/orders.ts';
import { faultTest } from '../fault-test.ts';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'holdfast-limits-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const tableCount = 100_000;

/** A stream of so many tables, as pieces of a pipe. */
function* manyTables(onLast: () => void): Generator<Buffer> {
  let piece: Buffer[] = [];
  for (let n = 0; n < tableCount; n++) {
    const name = `shop_${n % 100}/orders_of_customer_${n}`;
    piece.push(fileOf(`${name}.ibd`, 'rows'), fileOf(`${name}.frm`, 'definition'));
    if (piece.length < 500) continue;
    yield Buffer.concat(piece);
    piece = [];
  }
  onLast();
  yield Buffer.concat([...piece, smallMariadbStream()]);
}

/** Bytes in use once all garbage is gone. */
function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

faultTest(
  ['F21'],
  'a hundred thousand tables take less than 1 KiB each of the runner, and nothing of them passes through a state',
  async ({ hit, endState }) => {
    let stored = 0;
    const sinks = openSinks({
      place: { clusterId: 'shop', backupId: 'b-1' },
      jobId: 'j-1',
      plan: { volumeBytes: 4 * 1024 * 1024, uploadsInFlight: 2, frameBytes: 1024 * 1024 },
      policy: { codec: 'none', zstdLevel: 1 },
      putObject: async ({ body }) => {
        stored += body.length;
        return { versionId: null };
      },
      spoolDir: scratch,
    });
    const sink = sinks.open('main');
    const tee = makeStreamTee(sink);
    const before = bytesInUse();
    for (const piece of manyTables(() => hit('F21'))) await tee.take(piece);
    const state = tee.state();
    const perTable = (bytesInUse() - before) / tableCount;
    for (const row of fileRows('main', state)) sink.row(row);
    const streams = await sinks.finish();
    const decision = verdict({
      state,
      exitCode: 0,
      signal: null,
      stderrTail: 'completed OK!',
      requiredFiles: requiredFiles('mariadb', true),
    });
    await endState(() => {
      expect(decision.complete).toBe(true);
      // Two paths and what is known of two files; something, so that the measure is one.
      expect(perTable).toBeGreaterThan(100);
      expect(perTable).toBeLessThan(1024);
      const [stream] = streams;
      expect(stored).toBe(stream!.storedBytes + stream!.index.bytes);
      expect(stream!.index.bytes / tableCount).toBeLessThan(100);
      const result = resultOf({ ...example('manifest'), streams }, '0'.repeat(64));
      expect(JSON.stringify(result).length).toBeLessThan(1024);
    });
  },
);

/** The fence is a hundred beats away, so that a machine with much to do does not meet it by itself. */
const quick: Intervals = { ...defaultIntervals, beat: 20, earlyBeat: 20, fence: 2000, finishBudget: 5000 };

/** Runs one job whose table throws where `away` says so. */
async function supervise(away: (call: string) => void, work: (job: Job) => Promise<unknown>) {
  const rows = makeMemoryRows([queuedRow('j-1', checkOrder)]);
  rows.before = away;
  const told: string[] = [];
  const tell = (what: string) => async () => {
    told.push(what);
    return 'taken' as const;
  };
  const any = ((_order: unknown, job: Job) => work(job)) as never;
  const clock = makeClock();
  const outcome = await superviseJob('j-1', {
    hostId: 'mi-0abc',
    runnerVersion: '1',
    rows,
    tasks: { heartbeat: tell('heartbeat'), succeed: tell('succeed'), fail: tell('fail') },
    works: { check: any, backup: any, restore: any, 'restore-tables': any },
    runChild: makeRunChild(),
    readSecret: async () => '',
    clock,
    intervals: quick,
    jobLog: makeJobLog({ fixed: {}, now: clock.now, write: () => {} }),
    workRoot: scratch,
    stop: new AbortController().signal,
  });
  return { outcome, row: rows.rows.get('j-1')!, told, calls: rows.calls };
}

const throttled = () =>
  Object.assign(new Error('Rate exceeded'), { name: 'ProvisionedThroughputExceededException' });

faultTest(
  ['F50'],
  'a table that throttles claims, beats and ends for a while costs a job nothing but time',
  async ({ hit, endState }) => {
    const left: Record<string, number> = { get: 1, claim: 1, beat: 5, finish: 1 };
    const result = { kind: 'check' } as CheckResult;
    let beats = 0;
    const { outcome, row, calls, told } = await supervise(
      (call) => {
        if (call === 'beat') beats += 1;
        if (!left[call]) return;
        left[call] -= 1;
        hit('F50');
        throw throttled();
      },
      async () => {
        while (beats < 8) await sleep(10);
        return result;
      },
    );
    await endState(() => {
      expect(left).toEqual({ get: 0, claim: 0, beat: 0, finish: 0 });
      expect(outcome).toBe('succeeded');
      expect(row).toMatchObject({ state: 'succeeded', result });
      expect(calls.filter((call) => call === 'beat').length).toBeGreaterThan(5);
      expect(told.at(-1)).toBe('succeed');
      expect(readdirSync(scratch)).toEqual([]);
    });
  },
);

faultTest(
  ['F50'],
  'a runner whose beats do not arrive ends its own work before control gives it up',
  async ({ hit, endState }) => {
    let ended = false;
    const { outcome, row, told } = await supervise(
      (call) => {
        if (call !== 'beat') return;
        hit('F50');
        throw throttled();
      },
      (job) =>
        new Promise((_, reject) =>
          job.context.signal.addEventListener('abort', () => {
            ended = true;
            reject(new Error('what followed'));
          }),
        ),
    );
    await endState(() => {
      expect(ended).toBe(true);
      expect(outcome).toBe('failed');
      expect(row).toMatchObject({ state: 'failed', error: { name: 'Job.Fenced' } });
      expect(told.at(-1)).toBe('fail');
      expect(readdirSync(scratch)).toEqual([]);
    });
  },
);
