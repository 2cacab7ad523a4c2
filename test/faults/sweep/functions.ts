import { makeHandler as admit } from '../../../functions/backup/admit.ts';
import { makeHandler as cancel } from '../../../functions/backup/cancel.ts';
import { makeHandler as dispatch } from '../../../functions/backup/dispatch.ts';
import { makeHandler as findManifest } from '../../../functions/backup/find-manifest.ts';
import { makeHandler as lease } from '../../../functions/backup/lease.ts';
import { makeOrderJob } from '../../../functions/backup/order-job.ts';
import { makeHandler as plan } from '../../../functions/backup/plan.ts';
import { makeHandler as publish } from '../../../functions/backup/publish.ts';
import { makeHandler as record } from '../../../functions/backup/record.ts';
import { makeHandler as recordFailure } from '../../../functions/backup/record-failure.ts';
import { makeHandler as release } from '../../../functions/backup/release.ts';
import { makeHandler as verify } from '../../../functions/backup/verify.ts';
import { makeCatalog } from '../../../functions/catalog/catalog.ts';
import type { AssumeRole } from '../../../functions/clients/credentials.ts';
import type { PutEvents } from '../../../functions/clients/events.ts';
import type { Executions } from '../../../functions/clients/executions.ts';
import type { Folders } from '../../../functions/clients/folders.ts';
import type { Launch } from '../../../functions/clients/launcher.ts';
import type { Objects, ObjectsOf } from '../../../functions/clients/objects.ts';
import type { GetPolicy } from '../../../functions/clients/policies.ts';
import type { Tasks } from '../../../functions/clients/tasks.ts';
import type { Versions, VersionsOf } from '../../../functions/clients/versions.ts';
import type { Sites } from '../../../functions/env/variables.ts';
import { makeHandler as due } from '../../../functions/fleet/due.ts';
import { makeHandler as cancelClosed } from '../../../functions/reconcile/cancel-closed.ts';
import { makeHandler as reconcile } from '../../../functions/reconcile/reconcile.ts';
import { makeHandler as broker } from '../../../functions/restore/broker.ts';
import { makeHandler as fitRestore } from '../../../functions/restore/fit-restore.ts';
import { makeHandler as holdRestore } from '../../../functions/restore/hold-restore.ts';
import { makeHandler as planRestore } from '../../../functions/restore/plan-restore.ts';
import { makeHandler as recordRestore } from '../../../functions/restore/record-restore.ts';
import type { makeMemoryDynamoDb } from '../../doubles/memory-dynamodb.ts';
import type { Outside } from './outside-calls.ts';

/** What stands around the functions: tables, buckets, services. */
export type Surroundings = {
  dynamo: ReturnType<typeof makeMemoryDynamoDb>;
  objectsOf: ObjectsOf;
  folders: Folders;
  versionsOf: VersionsOf;
  executions: Executions;
  tasks: Tasks;
  launch: Launch;
  getPolicy: GetPolicy;
  putEvents: PutEvents;
  assumeRole: AssumeRole;
  sites: Sites;
  scratch: { bucket: string; region: string };
  roles: Readonly<Record<string, string>>;
  backupMachineArn: string;
  now: () => Date;
  mint: () => string;
};

async function* whole<T>(items: () => Promise<T[]>): AsyncIterable<T> {
  yield* await items();
}

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

const objectsThrough = (outside: Outside, objects: Objects): Objects => ({
  bucket: objects.bucket,
  get: (key) => outside(`GetObject ${key}`, () => objects.get(key)),
  first: (key, most) => outside(`GetObject ${key}`, () => objects.first(key, most)),
  stream: (key, version) => outside(`GetObject ${key}`, () => objects.stream(key, version)),
  head: (key, version) => outside(`HeadObject ${key}`, () => objects.head(key, version)),
  putOnce: (key, body) => outside(`PutObject ${key}`, () => objects.putOnce(key, body)),
  list: (prefix) => whole(() => outside(`ListObjects ${prefix}`, () => all(objects.list(prefix)))),
});

const versionsThrough = (outside: Outside, versions: Versions): Versions => ({
  bucket: versions.bucket,
  list: (prefix) => whole(() => outside(`ListObjectVersions ${prefix}`, () => all(versions.list(prefix)))),
  lockedUntil: (of) => outside(`GetObjectRetention ${of.key}`, () => versions.lockedUntil(of)),
  remove: (of) => outside(`DeleteObject ${of.key}`, () => versions.remove(of)),
});

/** The function of this name as its handler file puts it together, every call to the outside through `outside`. */
export function functionOf(name: string, around: Surroundings, outside: Outside) {
  const { now, sites } = around;
  type Send = { constructor: { name: string }; input: { TableName?: string; Key?: { sk?: string } } };
  const client = {
    send: (command: Send) =>
      outside(
        `${command.constructor.name.replace('Command', '')} ${command.input.TableName ?? ''} ${command.input.Key?.sk ?? ''}`.trim(),
        () => around.dynamo.client.send(command as never),
      ),
  } as unknown as typeof around.dynamo.client;
  const catalog = makeCatalog({ client, table: 'catalog', jobs: 'jobs' });
  const objectsOf: ObjectsOf = (place) => objectsThrough(outside, around.objectsOf(place));
  const folders: Folders = (place, prefix) =>
    whole(() => outside(`ListObjects ${prefix}`, () => all(around.folders(place, prefix))));
  const tasks: Tasks = {
    succeed: (token, output) => outside('SendTaskSuccess', () => around.tasks.succeed(token, output)),
    fail: (token, error) => outside('SendTaskFailure', () => around.tasks.fail(token, error)),
  };
  const executions: Executions = {
    describe: (arn) => outside('DescribeExecution', () => around.executions.describe(arn)),
    running: (machineArn) => outside('ListExecutions', () => around.executions.running(machineArn)),
    start: (of) => outside(`StartExecution ${of.name}`, () => around.executions.start(of)),
  };
  const getPolicy: GetPolicy = (policy) => outside('GetParameter', () => around.getPolicy(policy));
  const launch: Launch = (host) => outside('SendCommand', () => around.launch(host));
  const putEvents: PutEvents = (events) => outside('PutEvents', () => around.putEvents(events));
  const mint = {
    jobId: around.mint,
    backupId: (at: Date) => `${at.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z-${around.mint()}`,
  };
  const shared = { ...catalog, objectsOf, sites, mint, now, tasks, getPolicy };
  switch (name) {
    case 'admit':
      return admit(shared);
    case 'dispatch':
      return dispatch({ ...shared, orderJob: makeOrderJob({ jobs: catalog.jobs, launch, now }) });
    case 'plan':
      return plan(shared);
    case 'lease':
      return lease({ ...shared, random: () => 0.5, sleep: async () => {} });
    case 'verify':
      return verify(shared);
    case 'record':
      return record(shared);
    case 'release':
      return release(shared);
    case 'publish':
      return publish({ putEvents, now });
    case 'cancel':
      return cancel(shared);
    case 'find-manifest':
      return findManifest(shared);
    case 'record-failure':
      return recordFailure(shared);
    case 'due':
      return due({ ...shared, scratch: objectsOf(around.scratch), nonce: around.mint });
    case 'cancel-closed':
      return cancelClosed(shared);
    case 'reconcile':
      return reconcile({
        ...shared,
        executions,
        folders,
        versionsOf: (place) => versionsThrough(outside, around.versionsOf(place)),
        publish: () => outside('Publish', async () => undefined),
        installation: 'holdfast',
        putMetrics: () => outside('PutMetricData', async () => undefined),
        backupMachineArn: around.backupMachineArn,
      });
    case 'plan-restore':
      return planRestore({ ...shared, mintJobId: around.mint });
    case 'hold-restore':
      return holdRestore(shared);
    case 'fit-restore':
      return fitRestore({ mintJobId: around.mint });
    case 'record-restore':
      return recordRestore(shared);
    case 'broker':
      return broker({
        ...shared,
        roles: around.roles,
        assumeRole: (of) => outside('AssumeRole', () => around.assumeRole(of)),
      });
    default:
      throw new Error(`nobody put ${name} together`);
  }
}
