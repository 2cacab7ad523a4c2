import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import { type JobRow, jobKey } from '../../contract/records/job.ts';
import { makeCatalog } from '../../functions/catalog/catalog.ts';
import { type ExecutionStatus, type Executions, executionArnOf } from '../../functions/clients/executions.ts';
import type { Tasks } from '../../functions/clients/tasks.ts';
import type { Message, Publish } from '../../functions/clients/topic.ts';
import { silent } from '../../functions/log/log.ts';
import { makeMemoryBuckets } from './memory-buckets.ts';
import { makeMemoryDynamoDb } from './memory-dynamodb.ts';

export const backupMachineArn = 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-backup';
export const sites = {
  frankfurt: { bucket: 'example-holdfast-frankfurt', region: 'eu-central-1', account: '111122223333' },
};

type Told = { token: string; output: unknown } | { token: string; error: ErrorRecord };

/**
 * What stands around the functions of the control plane, in memory: the real catalog over tables in memory, buckets,
 * executions whose status a test sets, callback tasks, and a clock that stands still until it is moved.
 */
export function makeMemoryControl(at: string) {
  let clock = new Date(at);
  let storeClock: Date | undefined;
  const dynamo = makeMemoryDynamoDb();
  const catalog = makeCatalog({ client: dynamo.client, table: 'catalog', jobs: 'jobs' });
  const objects = makeMemoryBuckets({ now: () => storeClock ?? clock });
  const status = new Map<string, ExecutionStatus>();
  const started: { name: string; input: Record<string, unknown> }[] = [];
  const told: Told[] = [];
  const late = new Set<string>();
  const published: Message[] = [];
  const publish: Publish = async (message) => void published.push(message);
  const executions: Executions = {
    describe: async (arn) => status.get(arn) ?? { status: 'unknown' },
    running: async () => new Set([...status].filter(([, of]) => of.status === 'open').map(([arn]) => arn)),
    start: async ({ machineArn, name, input }) => {
      const executionArn = executionArnOf(machineArn, name);
      if (status.has(executionArn)) return { outcome: 'exists', executionArn };
      status.set(executionArn, { status: 'open' });
      started.push({ name, input: input as Record<string, unknown> });
      return { outcome: 'started', executionArn };
    },
  };
  const tell = async (what: Told) => {
    if (late.has(what.token)) return { outcome: 'late' as const };
    told.push(what);
    return { outcome: 'told' as const };
  };
  const tasks: Tasks = {
    succeed: (token, output) => tell({ token, output }),
    fail: (token, error) => tell({ token, error }),
  };
  return {
    ...catalog,
    dynamo,
    objects,
    objectsOf: objects.objectsOf,
    folders: objects.folders,
    versionsOf: objects.versionsOf,
    executions,
    tasks,
    sites,
    publish,
    backupMachineArn,
    installation: 'holdfast',
    log: silent,
    now: () => new Date(clock),
    /** Status of executions by ARN, for a test to set. */
    status,
    started,
    told,
    /** What the topic has taken. */
    published,
    /** Tokens that nobody waits for any more. */
    late,
    moveTo: (instant: string) => {
      clock = new Date(instant);
    },
    /** Lets the store's clock differ from control's from here on; undefined: they are the same. */
    storeClockAt: (instant: string | undefined) => {
      storeClock = instant === undefined ? undefined : new Date(instant);
    },
    /** Writes a row as dispatch does, with its order and lock, then changes it as its runner would. */
    async dispatched(row: JobRow, changes: Partial<JobRow> = {}, running?: BackupRecord): Promise<JobRow> {
      const userid = row.pk;
      if (row.lock !== null) await catalog.locks.take(row.lock, row.execution, row.createdAt);
      const written = await catalog.jobs.dispatch(row, userid, running);
      if (written.outcome !== 'written') throw new Error(`not dispatched: ${written.outcome}`);
      const changed = { ...row, ...changes };
      dynamo.tables.get('jobs')?.set(`${userid}\u0000${jobKey(userid, row.jobId).sk}`, changed);
      return changed;
    },
  };
}

export type MemoryControl = ReturnType<typeof makeMemoryControl>;
