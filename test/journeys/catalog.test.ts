import { rmSync } from 'node:fs';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { liveJobsIndex } from '../../contract/records/job.ts';
import { makeCatalog } from '../../functions/catalog/catalog.ts';
import { makeDynamoDb } from '../../functions/clients/dynamodb.ts';
import { makeObjects, makeObjectsOf } from '../../functions/clients/objects.ts';
import { makeGetPolicy } from '../../functions/clients/policies.ts';
import { makeTasks } from '../../functions/clients/tasks.ts';
import { startEmulator } from '../../infra/local/emulator.ts';
import { localPaths, makeLocalDirectories } from '../../infra/local/paths.ts';
import { openRegistry } from '../../infra/local/processes.ts';
import { describeCatalog } from '../doubles/catalog-contract.ts';
import { aPolicy } from '../doubles/records.ts';

const paths = localPaths('test-catalog');
rmSync(paths.emulatorState, { recursive: true, force: true });
makeLocalDirectories(paths);
const registry = openRegistry(paths.pids);
const before = { ...process.env };

beforeAll(async () => {
  const emulator = await startEmulator({
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
      AttributeDefinitions: [string('pk'), string('sk'), string('live')],
      ...onDemand,
      GlobalSecondaryIndexes: [
        { IndexName: liveJobsIndex, KeySchema: keys('live', 'sk'), Projection: { ProjectionType: 'ALL' } },
      ],
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
