import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SFNClient } from '@aws-sdk/client-sfn';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { CheckResult, JobRow } from '../../../../contract/records/job.ts';
import { makeClock } from '../../../../runner/host/clock.ts';
import { makeRunChild } from '../../../../runner/host/run-child.ts';
import type { Intervals } from '../../../../runner/job/intervals.ts';
import { makeJobLog } from '../../../../runner/job/log.ts';
import { type SuperviseParts, superviseJob } from '../../../../runner/job/supervise.ts';
import { makeTasks } from '../../../../runner/job/tasks.ts';
import type { Job } from '../../../../runner/job/work.ts';
import { type MemoryRows, makeMemoryRows } from '../../../doubles/memory-rows.ts';
import { type StepFunctionsDouble, startStepFunctions } from '../../../doubles/step-functions.ts';
import { backupOrder, checkOrder, queuedRow } from './orders.ts';

const result: CheckResult = {
  kind: 'check',
  jobId: 'j-1',
  hostId: 'mi-0abc',
  runnerVersion: '1',
  protocol: 1,
  tools: {},
  memoryBytes: 1,
};
const quick: Intervals = {
  beat: 20,
  earlyBeat: 20,
  earlyUntil: 60_000,
  taskHeartbeat: 40,
  fence: 60_000,
  commitBudget: 120_000,
  claimBudget: 2000,
  finishBudget: 2000,
  stuck: 60_000,
};

let sfn: StepFunctionsDouble;
let workRoot: string;
let lines: string[];
let stop: AbortController;
beforeEach(async () => {
  sfn = await startStepFunctions();
  sfn.tokens.set('token-1', 'waiting');
  workRoot = mkdtempSync(join(tmpdir(), 'supervise-'));
  lines = [];
  stop = new AbortController();
});
afterEach(async () => {
  await sfn.stop();
  rmSync(workRoot, { recursive: true, force: true });
});

type DoWork = (job: Job) => Promise<unknown>;

function makeParts(rows: MemoryRows, doWork: DoWork, intervals: Partial<Intervals> = {}): SuperviseParts {
  const client = new SFNClient({
    region: 'eu-central-1',
    endpoint: sfn.endpoint,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 2,
  });
  const any = ((_order: unknown, job: Job) => doWork(job)) as never;
  const clock = makeClock();
  return {
    hostId: 'mi-0abc',
    runnerVersion: '1',
    rows,
    tasks: makeTasks(client),
    works: { check: any, backup: any, restore: any, 'restore-tables': any },
    runChild: makeRunChild({ graceMs: 300 }),
    readSecret: async () => '',
    clock,
    intervals: { ...quick, ...intervals },
    jobLog: makeJobLog({ fixed: { jobId: 'j-1' }, now: clock.now, write: (line) => lines.push(line) }),
    workRoot,
    stop: stop.signal,
  };
}

const supervise = (
  rows: MemoryRows,
  doWork: DoWork = async () => result,
  intervals: Partial<Intervals> = {},
) => superviseJob('j-1', makeParts(rows, doWork, intervals));
const withRow = (changes: Partial<JobRow> = {}) => makeMemoryRows([queuedRow('j-1', checkOrder, changes)]);
const row = (rows: MemoryRows) => rows.rows.get('j-1')!;
const answers = () => sfn.calls.filter((c) => c.action !== 'SendTaskHeartbeat');
const untilAborted = (job: Job) =>
  new Promise<never>((_, reject) =>
    job.context.signal.addEventListener('abort', () => reject(new Error('something that followed'))),
  );

describe('a job from claim to end', () => {
  it('is claimed, done, told to its row and then to its state', async () => {
    const rows = withRow();
    expect(await supervise(rows)).toBe('succeeded');
    expect(row(rows)).toMatchObject({ state: 'succeeded', result, endedAt: expect.any(String) });
    expect(row(rows)).not.toHaveProperty('token');
    expect(row(rows)).not.toHaveProperty('live');
    expect(answers()).toEqual([
      { action: 'SendTaskSuccess', taskToken: 'token-1', output: JSON.stringify(result) },
    ]);
  });

  it('leaves the secret of its claim in memory: the row has its hash, the log nothing', async () => {
    const rows = withRow();
    let secret = '';
    await supervise(rows, async (job) => {
      secret = job.secret;
      job.context.log(`the secret is ${job.secret}`);
      return result;
    });
    expect(secret.length).toBeGreaterThanOrEqual(32);
    expect(JSON.stringify(row(rows))).not.toContain(secret);
    expect(lines.join('')).not.toContain(secret);
    const { createHash } = await import('node:crypto');
    expect(row(rows).claimSecretSha256).toBe(createHash('sha256').update(secret).digest('hex'));
  });

  it('needs no token: the checks of Register are read from their rows', async () => {
    const rows = withRow({ token: undefined as never, lock: null });
    expect(await supervise(rows)).toBe('succeeded');
    expect(sfn.calls).toEqual([]);
  });

  it('gives its work a private directory and removes it, also when the work fails', async () => {
    const rows = withRow();
    let seen = '';
    await supervise(rows, async (job) => {
      seen = job.context.workDir;
      writeFileSync(join(seen, 'my.cnf'), 'password', { mode: 0o600 });
      throw new Error('no');
    });
    expect(seen.startsWith(workRoot)).toBe(true);
    expect(existsSync(seen)).toBe(false);
    expect(readdirSync(workRoot)).toEqual([]);
  });

  it('tells a named failure with its name, and an unnamed one as unexpected', async () => {
    const rows = withRow();
    const named = new NamedError('Backup.ToolFailed', 'exit 3', { exitCode: 3 });
    expect(await supervise(rows, () => Promise.reject(named))).toBe('failed');
    expect(row(rows)).toMatchObject({
      state: 'failed',
      error: { name: 'Backup.ToolFailed', cause: 'exit 3', facts: { exitCode: 3 } },
    });
    expect(answers()).toMatchObject([
      { action: 'SendTaskFailure', error: 'Backup.ToolFailed', cause: 'exit 3' },
    ]);
    const other = withRow();
    await supervise(other, () => Promise.reject(new TypeError('x is not a function')));
    expect(row(other).error).toMatchObject({ name: 'Holdfast.Unexpected' });
  });

  it('beats with progress, and at once when a phase begins', async () => {
    const rows = withRow();
    const beats = () => rows.calls.filter((c) => c === 'beat').length;
    await supervise(
      rows,
      async (job) => {
        job.context.progress('streaming', 500, 1000);
        for (const until = Date.now() + 5000; beats() === 0 && Date.now() < until; ) await sleep(10);
        expect(row(rows).progress).toMatchObject({ phase: 'streaming', bytes: 500, expectedBytes: 1000 });
        return result;
      },
      { beat: 25, earlyBeat: 25 },
    );
    expect(beats()).toBeGreaterThan(0);
  });
});

describe('a job that is not to be run', () => {
  it('F42 is left alone when the command is delivered a second time', async () => {
    for (const state of ['claimed', 'committing', 'succeeded', 'failed', 'cancelled', 'lost'] as const) {
      const rows = withRow({ state });
      let worked = false;
      const outcome = await supervise(rows, async () => {
        worked = true;
        return result;
      });
      expect([state, outcome, worked, row(rows).state]).toEqual([state, 'not-ours', false, state]);
    }
    expect(sfn.calls).toEqual([]);
  });

  it('F42 runs once when two deliveries arrive together', async () => {
    const rows = withRow();
    let worked = 0;
    const work = async () => {
      worked++;
      await sleep(50);
      return result;
    };
    const other = mkdtempSync(join(tmpdir(), 'supervise-other-'));
    const outcomes = await Promise.all([
      superviseJob('j-1', makeParts(rows, work)),
      superviseJob('j-1', { ...makeParts(rows, work), workRoot: other }),
    ]);
    rmSync(other, { recursive: true });
    expect(outcomes.sort()).toEqual(['not-ours', 'succeeded']);
    expect(worked).toBe(1);
  });

  it('F13 is left to the runner that has its lock file; a dead one holds nobody', async () => {
    const own = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19];
    writeFileSync(join(workRoot, 'j-1.lock'), `${process.pid} ${own}`);
    const rows = withRow();
    expect(await supervise(rows)).toBe('not-ours');
    expect(row(rows).state).toBe('queued');
    writeFileSync(join(workRoot, 'j-1.lock'), `${process.pid} 1`);
    expect(await supervise(rows)).toBe('succeeded');
    expect(readdirSync(workRoot)).toEqual([]);
  });

  it('is left alone once its time to be claimed is over, and when this host has no such job', async () => {
    const late = withRow({ claimBy: new Date(Date.now() - 1000).toISOString() });
    expect(await supervise(late)).toBe('not-ours');
    expect(row(late).state).toBe('queued');
    expect(await supervise(makeMemoryRows())).toBe('not-ours');
  });

  it('F55 is refused by name when the order speaks another version', async () => {
    const rows = withRow({ v: 2 as never });
    expect(await supervise(rows)).toBe('failed');
    expect(row(rows)).toMatchObject({ state: 'failed', error: { name: 'Runner.VersionUnsupported' } });
    expect(answers()).toMatchObject([{ action: 'SendTaskFailure', error: 'Runner.VersionUnsupported' }]);
  });

  it('F55 follows an order with a field that it does not know yet', async () => {
    const rows = makeMemoryRows([queuedRow('j-1', { ...checkOrder, addedLater: 1 } as never)]);
    expect(await supervise(rows)).toBe('succeeded');
  });

  it('is refused with the path when its order does not fit', async () => {
    const rows = makeMemoryRows([queuedRow('j-1', { ...checkOrder, engine: 'oracle' } as never)]);
    expect(await supervise(rows)).toBe('failed');
    expect(row(rows).error).toMatchObject({
      name: 'Input.Invalid',
      cause: expect.stringContaining('order.engine'),
    });
  });

  it('F50 takes a claim whose answer was lost for its own, and asks a table again that did not answer', async () => {
    const rows = withRow();
    let lost = 1;
    rows.after = (call) => {
      if (call === 'claim' && lost-- > 0) throw new Error('reset');
    };
    let away = 1;
    rows.before = (call) => {
      if (call === 'get' && away-- > 0) throw new Error('throttled');
    };
    // Pauses are drawn from a length that doubles: two of them are 1.5 s at most.
    expect(await supervise(rows, undefined, { claimBudget: 20_000 })).toBe('succeeded');
    expect(rows.calls.filter((call) => call === 'claim')).toHaveLength(2);
  });
});

describe('a job that is ended from outside', () => {
  it('stops when it is cancelled, says that nothing is left, and stays cancelled', async () => {
    const rows = withRow();
    const outcome = await supervise(rows, (job) => {
      row(rows).state = 'cancelled';
      return untilAborted(job);
    });
    expect(outcome).toBe('failed');
    expect(row(rows)).toMatchObject({
      state: 'cancelled',
      endedAt: expect.any(String),
      error: { name: 'Job.Cancelled' },
    });
    expect(row(rows)).not.toHaveProperty('live');
  });

  it('stops when control has given it up', async () => {
    const rows = withRow();
    await supervise(rows, (job) => {
      row(rows).state = 'lost';
      return untilAborted(job);
    });
    expect(row(rows)).toMatchObject({
      state: 'lost',
      endedAt: expect.any(String),
      error: { name: 'Job.Lost' },
    });
  });

  it('fences itself when no beat arrives, before control gives it up', async () => {
    const rows = withRow();
    rows.before = (call) => {
      if (call === 'beat') throw new Error('the table cannot be reached');
    };
    await supervise(rows, untilAborted, { fence: 150 });
    expect(row(rows)).toMatchObject({ state: 'failed', error: { name: 'Job.Fenced' } });
  });

  it('fences itself when beats hang without an answer', async () => {
    const rows = withRow();
    const beat = rows.beat;
    rows.beat = async (...given) => {
      await sleep(400);
      return beat(...given);
    };
    const started = performance.now();
    await supervise(
      rows,
      async (job) => {
        await untilAborted(job).catch(() => undefined);
        expect(performance.now() - started).toBeLessThan(350);
        throw new Error('ended');
      },
      { fence: 150 },
    );
    expect(row(rows).error).toMatchObject({ name: 'Job.Fenced' });
  });

  it('goes on when single beats fail', async () => {
    const rows = withRow();
    let failures = 3;
    rows.before = (call) => {
      if (call === 'beat' && failures-- > 0) throw new Error('throttled');
    };
    const work = async () => {
      await sleep(250);
      return result;
    };
    expect(await supervise(rows, work, { fence: 200 })).toBe('succeeded');
  });

  it('stops at its deadline', async () => {
    const rows = withRow({ deadline: new Date(Date.now() + 60).toISOString() });
    await supervise(rows, untilAborted);
    expect(row(rows).error).toMatchObject({ name: 'Job.DeadlinePassed' });
  });

  it('stops when the runner is told to stop', async () => {
    const rows = withRow();
    setTimeout(() => stop.abort(), 30);
    await supervise(rows, untilAborted);
    expect(row(rows).error).toMatchObject({ name: 'Job.Lost', cause: expect.stringContaining('SIGTERM') });
  });

  it('ends work that does not end itself', async () => {
    const rows = withRow();
    setTimeout(() => stop.abort(), 20);
    await supervise(rows, () => new Promise(() => {}), { stuck: 50 });
    expect(row(rows)).toMatchObject({ state: 'failed', endedAt: expect.any(String) });
  });

  it('does not start work when it was told to stop before', async () => {
    stop.abort();
    const rows = withRow();
    await supervise(rows, (job) => Promise.reject(job.context.signal.reason ?? new Error('not told')));
    expect(row(rows).error).toMatchObject({ name: 'Job.Lost' });
  });

  it('cannot commit once it is cancelled or lost', async () => {
    for (const [state, name] of [
      ['cancelled', 'Job.Cancelled'],
      ['lost', 'Job.Lost'],
    ] as const) {
      const rows = withRow();
      let committed = false;
      await supervise(
        rows,
        async (job) => {
          row(rows).state = state;
          await job.enterCommitting();
          committed = true;
          return result;
        },
        { beat: 60_000, earlyBeat: 60_000 },
      );
      expect([committed, row(rows).state, (row(rows).error as { name: string }).name]).toEqual([
        false,
        state,
        name,
      ]);
    }
  });
});

describe('F43 the state that waits', () => {
  it('hears heartbeats with the token that the row has now', async () => {
    const rows = withRow();
    sfn.tokens.set('token-2', 'waiting');
    await supervise(rows, async () => {
      await sleep(60);
      row(rows).token = 'token-2';
      await sleep(150);
      return result;
    });
    const beats = sfn.calls.filter((c) => c.action === 'SendTaskHeartbeat').map((c) => c.taskToken);
    expect(beats[0]).toBe('token-1');
    expect(beats.at(-1)).toBe('token-2');
    expect(answers()).toMatchObject([{ action: 'SendTaskSuccess', taskToken: 'token-2' }]);
  });

  it.each(['timed-out', undefined] as const)(
    'stops the work before the manifest when its token is gone (%s)',
    async (state) => {
      const rows = withRow();
      setTimeout(() => (state ? sfn.tokens.set('token-1', state) : sfn.tokens.delete('token-1')), 60);
      expect(await supervise(rows, untilAborted)).toBe('failed');
      expect(row(rows).error).toMatchObject({ name: 'Job.NotLive' });
    },
  );

  it('goes on when dispatch has renewed the token meanwhile', async () => {
    const rows = withRow();
    await supervise(
      rows,
      async () => {
        await sleep(30);
        sfn.tokens.set('token-1', 'timed-out').set('token-2', 'waiting');
        row(rows).token = 'token-2';
        await sleep(250);
        return result;
      },
      { beat: 10_000, earlyBeat: 60 },
    );
    expect(row(rows).state).toBe('succeeded');
    expect(answers()).toMatchObject([{ action: 'SendTaskSuccess', taskToken: 'token-2' }]);
  });

  it('keeps a committed backup for adoption when the token is gone after its manifest', async () => {
    const rows = makeMemoryRows([queuedRow('j-1', backupOrder)]);
    let ended = false;
    const outcome = await supervise(rows, async (job) => {
      await job.enterCommitting();
      expect(row(rows).state).toBe('committing');
      sfn.tokens.set('token-1', 'timed-out');
      await sleep(200);
      ended = job.context.signal.aborted;
      return result;
    });
    expect([outcome, ended, row(rows).state]).toEqual(['succeeded', false, 'succeeded']);
    expect(lines.join('')).toContain('left to be adopted');
  });

  it('repeats an answer that the service did not take', async () => {
    const rows = withRow({ token: 'token-1' });
    const outcome = await supervise(
      rows,
      async () => {
        sfn.faults.unavailable = 3;
        return result;
      },
      { taskHeartbeat: 60_000 },
    );
    expect(outcome).toBe('succeeded');
    expect(sfn.tokens.get('token-1')).toBe('answered');
  });

  it('is answered before the row ends, so that a runner that dies between leaves a row for reconcile', async () => {
    const rows = withRow();
    let toldBefore: unknown[] = [];
    rows.before = (call) => {
      if (call === 'finish') toldBefore = answers();
    };
    await supervise(rows);
    expect(toldBefore).toMatchObject([{ action: 'SendTaskSuccess', taskToken: 'token-1' }]);
  });

  it('is answered with the token that dispatch put into the row after the last beat', async () => {
    const rows = withRow();
    rows.before = (call) => {
      if (call !== 'finish') return;
      sfn.tokens.set('token-2', 'waiting');
      row(rows).token = 'token-2';
    };
    await supervise(rows);
    expect(sfn.tokens.get('token-2')).toBe('answered');
    expect(row(rows)).not.toHaveProperty('token');
  });

  it('answers even when the table cannot be told', async () => {
    const rows = withRow();
    rows.before = (call) => {
      if (call === 'finish') throw new Error('no table');
    };
    expect(await supervise(rows, async () => result, { finishBudget: 50 })).toBe('succeeded');
    expect(answers()).toMatchObject([{ action: 'SendTaskSuccess' }]);
  });

  it('tells the end once when the answer of the table was lost', async () => {
    const rows = withRow();
    let lost = 1;
    rows.after = (call) => {
      if (call === 'finish' && lost-- > 0) throw new Error('reset');
    };
    expect(await supervise(rows)).toBe('succeeded');
    expect(row(rows).state).toBe('succeeded');
    expect(answers()).toMatchObject([{ action: 'SendTaskSuccess', taskToken: 'token-1' }]);
  });
});
