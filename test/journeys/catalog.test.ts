import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimSeconds } from '../../contract/records/job.ts';
import { makeCatalog } from '../../functions/catalog/catalog.ts';
import { makeDynamoDb } from '../../functions/clients/dynamodb.ts';
import { makeUserIdOf } from '../../functions/clients/host-role.ts';
import { deliverySeconds, makeLaunch } from '../../functions/clients/launcher.ts';
import { makeObjects, makeObjectsOf } from '../../functions/clients/objects.ts';
import { makePlaces } from '../../functions/clients/places.ts';
import { makeGetPolicy } from '../../functions/clients/policies.ts';
import { makeTasks } from '../../functions/clients/tasks.ts';
import { type Emulator, startEmulator } from '../../infra/local/emulator.ts';
import { createHost } from '../../infra/local/host.ts';
import { hostEnvironment, hostIdentity } from '../../infra/local/host-credentials.ts';
import { localPaths, makeLocalDirectories } from '../../infra/local/paths.ts';
import { openRegistry } from '../../infra/local/processes.ts';
import { parseDocument } from '../../infra/local/ssm-document.ts';
import { type SsmEndpoint, startSsmEndpoint } from '../../infra/local/ssm-endpoint.ts';
import { describeCatalog } from '../doubles/catalog-contract.ts';
import { aPolicy } from '../doubles/records.ts';

const paths = localPaths('test-catalog');
rmSync(paths.emulatorState, { recursive: true, force: true });
makeLocalDirectories(paths);
const registry = openRegistry(paths.pids);
const before = { ...process.env };
let emulator: Emulator;

beforeAll(async () => {
  emulator = await startEmulator({
    program: paths.emulator,
    nodeBin: paths.nodeBin,
    stateDir: paths.emulatorState,
    registry,
  });
  Object.assign(process.env, emulator.environment);
});

afterAll(async () => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
  await registry.stopAll();
  rmSync(paths.run, { recursive: true, force: true });
});

const string = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });
const keys = (pk: string, sk: string) => [
  { AttributeName: pk, KeyType: 'HASH' as const },
  { AttributeName: sk, KeyType: 'RANGE' as const },
];

describeCatalog('over DynamoDB', async () => {
  const dynamo = new DynamoDBClient();
  const onDemand = { BillingMode: 'PAY_PER_REQUEST' as const, KeySchema: keys('pk', 'sk') };
  await dynamo.send(
    new CreateTableCommand({
      TableName: 'catalog',
      AttributeDefinitions: [string('pk'), string('sk')],
      ...onDemand,
    }),
  );
  await dynamo.send(
    new CreateTableCommand({
      TableName: 'jobs',
      AttributeDefinitions: [string('pk'), string('sk')],
      ...onDemand,
    }),
  );
  return makeCatalog({ client: makeDynamoDb(), table: 'catalog', jobs: 'jobs' });
});

describe('the objects of a bucket', () => {
  it('are written once, read with their version, and looked at with the checksum that S3 keeps', async () => {
    const s3 = new S3Client();
    const Bucket = 'example-site';
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    const objects = makeObjectsOf()({ bucket: Bucket, region: 'eu-central-1' });
    expect(await objects.putOnce('receipts/a.json', '{"a":1}')).toEqual({ outcome: 'written' });
    expect(await objects.putOnce('receipts/a.json', '{"a":2}')).toEqual({ outcome: 'exists' });
    const read = await objects.get('receipts/a.json');
    expect(Buffer.from(read?.body ?? []).toString()).toBe('{"a":1}');
    expect(read?.versionId).toBeTruthy();

    // CRC32 of `123456789` is the check value of its catalogue: cbf43926.
    await s3.send(new PutObjectCommand({ Bucket, Key: 'v/0', Body: '123456789', ChecksumCRC32: 'y/Q5Jg==' }));
    const head = await objects.head('v/0');
    expect(head).toMatchObject({ bytes: 9, crc32: 'cbf43926' });
    expect(await objects.head('v/0', head?.versionId)).toEqual(head);
    expect(await objects.head('v/0', '00000000-0000-0000-0000-000000000000')).toBeUndefined();
    expect(await objects.head('v/1')).toBeUndefined();
    expect(await objects.get('v/1')).toBeUndefined();
    expect(await objects.stream('v/1')).toBeUndefined();
    const pieces = await (await objects.stream('v/0'))?.toArray();
    expect(Buffer.concat(pieces ?? []).toString()).toBe('123456789');
    const listed = await Array.fromAsync(objects.list('receipts/'));
    expect(listed).toEqual(['receipts/a.json']);
    expect(makeObjects(s3, Bucket).bucket).toBe(Bucket);
  });
});

describe('policies and task answers', () => {
  it('reads a deployed policy, and knows that there is none', async () => {
    await new SSMClient().send(
      new PutParameterCommand({
        Name: '/holdfast/policies/nightly',
        Value: JSON.stringify(aPolicy()),
        Type: 'String',
      }),
    );
    const getPolicy = makeGetPolicy('/holdfast/policies/');
    expect(await getPolicy('nightly')).toEqual(aPolicy());
    expect(await getPolicy('weekly')).toBeUndefined();
  });

  it('F43: an answer to a task that is over is late, not an error', async () => {
    const tasks = makeTasks();
    expect(await tasks.fail('not-a-token', { name: 'Job.Lost', cause: 'x' })).toEqual({ outcome: 'late' });
    expect(await tasks.succeed('not-a-token', {})).toEqual({ outcome: 'late' });
  });
});

describe('reaching hosts', () => {
  const hostId = 'mi-0aaaaaaaaaaaaaaa1';
  const role = (name: string) => `arn:aws:iam::111122223333:role/${name}`;
  let ssm: SsmEndpoint;

  beforeAll(async () => {
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: '111122223333' }, Action: 'sts:AssumeRole' }],
    };
    for (const RoleName of ['holdfast-dispatch', 'holdfast-host']) {
      await new IAMClient().send(
        new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) }),
      );
    }
    ssm = await startSsmEndpoint({ emulator, registry });
    const identity = hostIdentity(hostId, role('holdfast-host'));
    const places = { emulator: emulator.endpoint, ssm: ssm.endpoint, region: emulator.region };
    const host = createHost(
      {
        hostId,
        root: join(paths.run, 'host'),
        runnerSettings: { v: 1, region: emulator.region, jobsTable: 'jobs', brokerFunction: 'broker' },
        environment: hostEnvironment(identity, places),
        files: [],
      },
      registry,
    );
    ssm.addHost(host, identity);
    ssm.addDocuments([
      parseDocument('holdfast-run-job', {
        schemaVersion: '2.2',
        parameters: {
          JobId: { type: 'String', allowedPattern: '^[A-Za-z0-9-]{1,64}$', interpolationType: 'ENV_VAR' },
        },
        mainSteps: [
          {
            action: 'aws:runShellScript',
            name: 'run',
            inputs: { runCommand: ['exit 0'], timeoutSeconds: '60' },
          },
        ],
      }),
    ]);
    process.env.AWS_ENDPOINT_URL_SSM = ssm.endpoint;
  });

  afterAll(() => ssm.stop());

  const places = () =>
    makePlaces({
      '111122223333/eu-central-1': {
        dispatchRoleArn: role('holdfast-dispatch'),
        document: 'holdfast-run-job',
        hostRoleName: 'holdfast-host',
      },
    });
  const host = { hostId, account: '111122223333', region: 'eu-central-1' };
  const launch = (change: object) => makeLaunch(places())({ ...host, jobId: 'job-1', ...change });

  it('sends our document with the job as its one parameter, under the dispatch role', async () => {
    expect(await launch({})).toEqual({ outcome: 'launched' });
    expect(ssm.commands().at(-1)).toMatchObject({
      document: { name: 'holdfast-run-job' },
      parameters: { JobId: ['job-1'] },
      deliverySeconds,
    });
    expect(deliverySeconds).toBeLessThan(claimSeconds);
  });

  it('F50: waits while SSM throttles', async () => {
    ssm.faults.throttle = 2;
    const sent = ssm.commands().length;
    expect(await launch({ jobId: 'job-2' })).toEqual({ outcome: 'launched' });
    expect(ssm.commands()).toHaveLength(sent + 1);
  });

  it('F41: says which host SSM does not know, and which place is not set up', async () => {
    expect(await launch({ hostId: 'mi-0bbbbbbbbbbbbbbb2' })).toEqual({
      outcome: 'failed',
      cause: expect.stringMatching(
        /^host mi-0bbbbbbbbbbbbbbb2 .*\(InvalidInstanceId\): .* is its agent running/,
      ),
    });
    expect(await launch({ region: 'eu-west-3' })).toEqual({
      outcome: 'failed',
      cause: expect.stringContaining('no hosts are set up in 111122223333/eu-west-3'),
    });
  });

  it('reads the identity under which a host reaches its jobs', async () => {
    expect(await makeUserIdOf(places())(host)).toMatch(/^AROA[A-Z0-9]+:mi-0aaaaaaaaaaaaaaa1$/);
  });
});
