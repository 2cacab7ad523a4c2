import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { JobRow, Order } from '../../../../contract/records/job.ts';
import { makeOrderJob } from '../../../../functions/backup/order-job.ts';
import { clusterLock } from '../../../../functions/catalog/lock.ts';
import { catalogFrom } from '../../../../functions/clients/catalog.ts';
import type { ExecutionStatus } from '../../../../functions/clients/executions.ts';
import type { Launch } from '../../../../functions/clients/launcher.ts';
import { makeTasks } from '../../../../functions/clients/tasks.ts';
import { makeHandler, type ReconcileAnswer } from '../../../../functions/reconcile/reconcile.ts';
import { example } from '../../../doubles/examples.ts';
import { makeMemoryBuckets } from '../../../doubles/memory-buckets.ts';
import type { S3Server } from '../../../doubles/s3-server.ts';
import type { StepFunctionsDouble } from '../../../doubles/step-functions.ts';
import { policy } from '../../../journeys/support/mysql-jobs.ts';

export const clusterId = 'shop';
export const site = { site: 'home', bucket: 'backups', region: 'eu-central-1' };
const machineArn = 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-backup';

/** Creates both tables in the emulator that the environment names. */
export async function createTables(): Promise<void> {
  const string = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });
  for (const TableName of ['catalog', 'jobs']) {
    await new DynamoDBClient({}).send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [string('pk'), string('sk')],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
      }),
    );
  }
}

/**
 * Control around one host: the real catalog and functions over the emulator's tables, executions whose status a test
 * sets, and Reconcile with a clock that may be moved on.
 */
export function makeControl(parts: {
  userid: string;
  hostId: string;
  s3: S3Server;
  tasks: StepFunctionsDouble;
  launch: Launch;
}) {
  const { userid, hostId, s3, tasks, launch } = parts;
  const catalog = catalogFrom({ CATALOG_TABLE: 'catalog', JOBS_TABLE: 'jobs' });
  const status = new Map<string, ExecutionStatus>();
  let minutes = 0;
  const now = () => new Date(Date.now() + minutes * 60_000);
  const orderJob = makeOrderJob({ jobs: catalog.jobs, launch, now: () => new Date() });
  const executionOf = (jobId: string) =>
    `${machineArn.replace('stateMachine', 'execution')}:${clusterId}-${jobId}`;
  const host = {
    v: 1 as const,
    userid,
    document: { hostId, account: '111122223333', region: 'eu-central-1', purposes: ['database' as const] },
    state: 'registered' as const,
    registeredAt: new Date().toISOString(),
  };

  /** The store as Control reads it: what the S3 double holds. */
  const buckets = () => {
    const made = makeMemoryBuckets();
    for (const [key, { bytes }] of s3.objects) made.put(site.bucket, key, bytes);
    return made;
  };

  return {
    catalog,
    executionOf,
    /** Writes host and cluster, so that jobs may be ordered for them. */
    register: async () => {
      await catalog.hosts.restore(host);
      const { ordered: _, ...cluster } = example('cluster');
      await catalog.clusters.restore({
        ...cluster,
        document: { ...cluster.document, clusterId, homeSite: site.site, policy: policy.name },
      });
    },
    /** An execution takes the cluster's lock and orders one job, as the machine does. */
    order: async (jobId: string, order: Order): Promise<void> => {
      const execution = executionOf(jobId);
      const lock = clusterLock(clusterId);
      const taken = await catalog.locks.take(lock, execution, new Date().toISOString());
      if (taken.outcome !== 'held') throw new Error(`the lock is ${JSON.stringify(taken)}`);
      status.set(execution, { status: 'open' });
      tasks.tokens.set(`token-${jobId}`, 'waiting');
      const ordered = await orderJob({
        jobId,
        host,
        clusterId,
        execution,
        lock,
        order,
        deadlineSeconds: 3600,
        token: `token-${jobId}`,
      });
      if (ordered.outcome !== 'launched') throw new Error(JSON.stringify(ordered));
    },
    row: async (jobId: string): Promise<JobRow> => (await catalog.jobs.get(userid, jobId))!,
    /** The execution of a job has closed, as one does whose task failed or was answered. */
    closed: (jobId: string) =>
      status.set(executionOf(jobId), { status: 'failed', error: 'Job.Lost', cause: 'its task failed' }),
    /** One pass of Reconcile, `later` minutes from now. */
    reconcile: async (later = 0): Promise<ReconcileAnswer> => {
      minutes = later;
      const { objectsOf, folders, versionsOf } = buckets();
      const answer = await makeHandler({
        ...catalog,
        executions: {
          describe: async (arn) => status.get(arn) ?? { status: 'unknown' },
          running: async () => new Set(),
          start: async ({ name }) => ({ outcome: 'started', executionArn: `${machineArn}:${name}` }),
        },
        tasks: makeTasks(),
        objectsOf,
        folders,
        versionsOf,
        getPolicy: async () => policy,
        putMetrics: async () => {},
        publish: async () => {},
        installation: 'holdfast',
        sites: { [site.site]: { ...site, account: '111122223333' } },
        backupMachineArn: machineArn,
        now,
      })({});
      if (answer.outcome !== 'reconciled') throw new Error(JSON.stringify(answer));
      return answer;
    },
  };
}

export type Control = ReturnType<typeof makeControl>;
