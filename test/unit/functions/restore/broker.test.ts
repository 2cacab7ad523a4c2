import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { brokerAnswerSchema } from '../../../../contract/records/broker.ts';
import { type JobRow, jobKey } from '../../../../contract/records/job.ts';
import { makeHandler } from '../../../../functions/restore/broker.ts';
import { sessionPolicyCharacters, sessionPolicyOf } from '../../../../functions/restore/session-policy.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:by-hand';
const lock = 'target:i-0c2e4f6a8b0d13579:/data2/restore';
const secret = 'hV3kq8Zt0pXw6nJc1rBy5mEd9sGf2uLa';
const order = example('order-restore');
const hostId = order.target.hostId;
const userid = `AROAEXAMPLEROLEID1234:${hostId}`;
const roleArn = 'arn:aws:iam::111122223333:role/holdfast-restore-frankfurt';
const row: JobRow = {
  ...example('job'),
  ...jobKey(userid, 'job-r'),
  jobId: 'job-r',
  hostId,
  execution,
  lock,
  state: 'claimed',
  order,
  createdAt: '2026-11-23T09:00:00.000Z',
  claimedAt: '2026-11-23T09:00:05.000Z',
  beatAt: '2026-11-23T09:04:30.000Z',
  deadline: '2026-11-24T09:00:00.000Z',
  claimSecretSha256: createHash('sha256').update(secret).digest('hex'),
};

let control: MemoryControl;
let assumed: { roleArn: string; sessionName: string; policy: string }[];
let lines: string[];

const ask = (more: object = {}, roles: Record<string, string> = { frankfurt: roleArn }) =>
  makeHandler({
    ...control,
    roles,
    write: (line) => lines.push(line),
    assumeRole: async (of) => {
      assumed.push(of);
      return {
        accessKeyId: 'ASIA1',
        secretAccessKey: 'very-secret-key',
        sessionToken: 'token',
        expiration: '2026-11-23T10:05:00.000Z',
      };
    },
  })({ v: 1, hostId, jobId: 'job-r', secret, ...more });

/** Asks for it with a changed row; the answer must be a refusal and no role be assumed. */
async function refusedBecause(why: RegExp, more: object = {}, roles?: Record<string, string>) {
  const answer = await ask(more, roles);
  expect(answer).toMatchObject({
    outcome: 'refused',
    error: { name: 'Broker.Refused', cause: expect.stringMatching(why) },
  });
  expect(assumed).toEqual([]);
}

const rowNow = (changes: Partial<JobRow>) => {
  const rows = control.dynamo.tables.get('jobs')!;
  for (const [key, value] of rows) rows.set(key, { ...value, ...changes });
};

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T09:05:00.000Z');
  assumed = [];
  lines = [];
  await control.backups.apply(example('receipt'));
  await control.dispatched(row);
});

describe('the broker', () => {
  it('gives a claimed, live restore job reading rights on its cluster at its site, for an hour', async () => {
    const answer = await ask();
    expect(brokerAnswerSchema.parse(answer)).toMatchObject({ outcome: 'granted', accessKeyId: 'ASIA1' });
    expect(assumed).toMatchObject([{ roleArn, sessionName: 'job-r' }]);
    expect(JSON.parse(assumed[0]!.policy).Statement).toEqual([
      {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:GetObjectVersion'],
        Resource: 'arn:aws:s3:::example-holdfast-frankfurt/orders/*',
      },
      { Effect: 'Allow', Action: 'kms:Decrypt', Resource: '*' },
    ]);
  });

  it('gives again while the job lives: credentials end, jobs go on', async () => {
    await ask();
    expect(await ask()).toMatchObject({ outcome: 'granted' });
  });

  it('logs neither the secret nor what it gave', async () => {
    await ask();
    await ask({ secret: 'x'.repeat(32) });
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.join('\n')).not.toMatch(new RegExp(`${secret}|very-secret-key|"token"|x{32}`));
  });

  it('refuses a secret that is not the claimant’s, and a row that was never claimed', async () => {
    await refusedBecause(/secret is not the one/, { secret: 'x'.repeat(32) });
    const { claimSecretSha256: _, ...unclaimed } = row;
    control.dynamo.tables.get('jobs')!.set(`${row.pk}\u0000${row.sk}`, unclaimed);
    await refusedBecause(/secret is not the one/);
  });

  it('refuses a job that nobody ordered, or of another host', async () => {
    await refusedBecause(/no job job-x was ordered/, { jobId: 'job-x' });
    await refusedBecause(/was ordered of host i-other/, { hostId: 'i-other' });
  });

  it('refuses a job that is no restore', async () => {
    const backup = {
      ...row,
      ...jobKey(userid, 'job-b'),
      jobId: 'job-b',
      lock: null,
      order: example('order-backup'),
    };
    await control.dispatched(backup);
    await refusedBecause(/a backup job reads no backups/, { jobId: 'job-b' });
  });

  it.each(['queued', 'succeeded', 'failed', 'cancelled', 'lost'] as const)(
    'refuses a %s job',
    async (state) => {
      rowNow({ state });
      await refusedBecause(new RegExp(`the job is ${state}`));
    },
  );

  it('refuses past the deadline of the order, whatever deadline its host writes into the row', async () => {
    rowNow({ deadline: '2099-01-01T00:00:00.000Z', beatAt: '2026-11-24T09:00:00.000Z' });
    control.moveTo('2026-11-24T09:00:00.001Z');
    await refusedBecause(/deadline 2026-11-24T09:00:00.000Z has passed/);
  });

  it('refuses after five minutes without a beat', async () => {
    rowNow({ beatAt: '2026-11-23T08:59:59.000Z' });
    await refusedBecause(/has not beaten for 300 s/);
  });

  it('refuses once the execution has lost its lock', async () => {
    await control.locks.release(lock, execution);
    await refusedBecause(/no longer holds target:/);
    await control.locks.take(
      lock,
      'arn:aws:states:x:1:execution:holdfast-restore:other',
      '2026-11-23T09:05:00.000Z',
    );
    await refusedBecause(/no longer holds target:/);
  });

  it('reads what was ordered: a host that rewrites the order in its row gains nothing', async () => {
    const bent = { ...order, clusterId: 'payroll', site: { ...order.site, bucket: 'other-bucket' } };
    rowNow({ order: bent, clusterId: 'payroll' });
    expect(await ask()).toMatchObject({ outcome: 'granted' });
    expect(assumed[0]!.policy).toContain('example-holdfast-frankfurt/orders/*');
    expect(assumed[0]!.policy).not.toContain('payroll');
  });

  it('refuses a backup that is expiring, and a site without a role', async () => {
    await refusedBecause(/no restore role/, {}, {});
    const receipt = example('receipt');
    const backup = { ...receipt.backup, state: 'expiring' as const };
    await control.backups.apply({ ...receipt, fact: 'expiring', at: '2026-11-23T09:00:00.000Z', backup });
    await refusedBecause(/is expiring at site frankfurt/);
  });

  it('refuses a request that is not one, as a value', async () => {
    expect(await ask({ secret: 'short' })).toMatchObject({
      outcome: 'refused',
      error: { name: 'Input.Invalid' },
    });
  });
});

describe('the session policy', () => {
  it('fits into what STS takes with the longest names there are', () => {
    const longest = { partition: 'aws-us-gov', bucket: 'b'.repeat(63), clusterId: 'c'.repeat(40) };
    expect(sessionPolicyOf(longest).length).toBeLessThan(sessionPolicyCharacters);
  });

  it('does not let cluster a read cluster ab', () => {
    const [read] = JSON.parse(sessionPolicyOf({ partition: 'aws', bucket: 'b', clusterId: 'a' })).Statement;
    expect(read.Resource.endsWith('/a/*')).toBe(true);
  });
});
