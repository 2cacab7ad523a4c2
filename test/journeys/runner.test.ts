import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckOrder, checkResultSchema, type JobRow, jobKey } from '../../contract/records/job.ts';
import { type Emulator, startEmulator } from '../../infra/local/emulator.ts';
import { localPaths, makeLocalDirectories } from '../../infra/local/paths.ts';
import { openRegistry } from '../../infra/local/processes.ts';
import { makeTableClient } from '../../runner/host/clients.ts';
import { makeClock } from '../../runner/host/clock.ts';
import type { JobRows } from '../../runner/job/rows.ts';
import { makeTableRows } from '../../runner/job/table-rows.ts';
import { describeJobRows } from '../doubles/job-rows-contract.ts';
import { queuedRow, userid as testUserid } from '../unit/runner/job/orders.ts';
import { installRunner } from './support/install-runner.ts';

const paths = localPaths('test-runner');
rmSync(paths.emulatorState, { recursive: true, force: true });
makeLocalDirectories(paths);
const registry = openRegistry(paths.pids);
const before = { ...process.env };
let emulator: Emulator;
let root: string;
let userid: string;

const dynamo = () =>
  DynamoDBDocumentClient.from(new DynamoDBClient({}), { marshallOptions: { removeUndefinedValues: true } });
const write = async (row: JobRow) =>
  void (await dynamo().send(new PutCommand({ TableName: 'jobs', Item: row })));
const rowsOf = (of: string): JobRows =>
  makeTableRows(makeTableClient(emulator.region, makeClock()), 'jobs', of);

beforeAll(async () => {
  emulator = await startEmulator({
    program: paths.emulator,
    nodeBin: paths.nodeBin,
    stateDir: paths.emulatorState,
    registry,
  });
  Object.assign(process.env, emulator.environment);
  const string = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });
  const keys = (pk: string, sk: string) => [
    { AttributeName: pk, KeyType: 'HASH' as const },
    { AttributeName: sk, KeyType: 'RANGE' as const },
  ];
  await new DynamoDBClient({}).send(
    new CreateTableCommand({
      TableName: 'jobs',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [string('pk'), string('sk')],
      KeySchema: keys('pk', 'sk'),
    }),
  );
  root = mkdtempSync(join(tmpdir(), 'runner-journey-'));
  userid = await installRunner({ root, emulator, hostId: 'mi-0abc', environment: {}, path: [] });
}, 120_000);

afterAll(async () => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
  await registry.stopAll();
  if (root) rmSync(root, { recursive: true, force: true });
});

const launch = (jobId: string) =>
  spawnSync('/bin/sh', [join(root, 'bin/holdfast-launch'), jobId], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOLDFAST_ROOT: root },
    encoding: 'utf8',
  });

describeJobRows('over DynamoDB', async () => ({ rows: rowsOf(testUserid), write }));

describe('a job from the launcher to its row', () => {
  const order: CheckOrder = {
    kind: 'check',
    engine: 'mysql',
    flavour: 'mariadb',
    target: { hostId: 'mi-0abc', directory: '/var/tmp/holdfast-nothing-is-here', port: 25_999, user: 'root' },
  };
  const ended = async (jobId: string) => {
    for (let i = 0; i < 300; i++) {
      const row = await rowsOf(userid).get(jobId);
      if (row?.endedAt !== undefined) return row;
      await sleep(100);
    }
    throw new Error(readFileSync(join(root, `log/${jobId}.log`), 'utf8'));
  };

  it('is claimed and answered by the bundled runner under the identity of its host', async () => {
    await write({
      ...queuedRow('j-launched', order),
      ...jobKey(userid, 'j-launched'),
      token: undefined as never,
    });
    expect(launch('j-launched')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const row = await ended('j-launched');
    expect(row).toMatchObject({
      state: 'succeeded',
      runnerVersion: expect.stringMatching(/\+[0-9a-f]{12}$/),
    });
    const result = checkResultSchema.parse(row.result);
    expect(result).toMatchObject({ hostId: 'mi-0abc', target: { directoryState: 'absent', portFree: true } });
    expect(row).not.toHaveProperty('live');
  });

  it('F42 is not run by a second delivery', async () => {
    const row = await ended('j-launched');
    expect(launch('j-launched').status).toBe(0);
    await expect
      .poll(() => readFileSync(join(root, 'log/j-launched.log'), 'utf8'), { timeout: 20_000 })
      .toContain('the job is succeeded');
    expect(await rowsOf(userid).get('j-launched')).toEqual(row);
  });
});
