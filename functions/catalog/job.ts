import { QueryCommand, type QueryCommandOutput } from '@aws-sdk/lib-dynamodb';
import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import { readStored } from '../../contract/formats/codec.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import {
  type JobRow,
  type JobState,
  jobIdOfKey,
  jobKey,
  jobRowSchema,
  liveJobsIndex,
} from '../../contract/records/job.ts';
import { backupRunningWrite } from './backup.ts';
import { absent, all, equals, oneOf } from './condition.ts';
import { lockHeldWrite, makeLocks } from './lock.ts';
import { makeOrders, type OrderRecord, orderWrites } from './order.ts';
import { type Item, makeTable, putWrite, type TableDeps, transact } from './table.ts';

/** The jobs table beside the catalog's: dispatch writes both in one transaction. */
export type JobsDeps = TableDeps & { jobs: string };

/** What dispatch found: a fresh row, the same job still live with its token renewed, or why there is no job. */
export type DispatchOutcome =
  | { outcome: 'written' }
  | { outcome: 'renewed'; row: JobRow }
  /** The job has ended (a late second call): there is nothing to start. */
  | { outcome: 'ended'; row: JobRow }
  /** The execution no longer holds its lock. */
  | { outcome: 'lock-lost'; holder: string | null }
  /** An id that other orders bear already, or contention that did not clear. */
  | { outcome: 'conflict' };

const liveStates: readonly JobState[] = ['queued', 'claimed', 'committing'];
const row = (item: Item): JobRow => readStored(jobRowSchema, 'job row', item);

/** An error as a row carries it: the cause is cut to what its schema takes. */
const rowError = (error: ErrorRecord): ErrorRecord => ({ ...error, cause: error.cause.slice(0, 4_000) });

/** Control's side of the jobs table. The runner writes the same rows under its own identity. */
export function makeJobs(deps: JobsDeps) {
  const jobs = makeTable({ client: deps.client, table: deps.jobs });
  const locks = makeLocks(deps);
  const orders = makeOrders(deps);

  async function get(userid: string, jobId: string): Promise<JobRow | undefined> {
    const item = await jobs.get(jobKey(userid, jobId));
    return item && row(item);
  }

  return {
    /** Strong read of one row. */
    get,

    /**
     * Writes order, row and (for a backup) its record as running, all or none, while the lock is the execution's.
     * Called again with the same job it puts the new token into the live row.
     */
    async dispatch(job: JobRow, userid: string, running?: BackupRecord): Promise<DispatchOutcome> {
      const order: OrderRecord = {
        v: 1,
        jobId: job.jobId,
        hostId: job.hostId,
        userid,
        clusterId: job.clusterId,
        order: job.order,
        execution: job.execution,
        lock: job.lock,
        createdAt: job.createdAt,
      };
      const answer = await transact(deps.client, [
        putWrite(deps.jobs, job, absent('pk')),
        ...orderWrites(deps.table, order),
        ...(running === undefined ? [] : [backupRunningWrite(deps.table, running)]),
        ...(job.lock === null ? [] : [lockHeldWrite(deps.table, job.lock, job.execution)]),
      ]);
      if (answer.outcome === 'written') return answer;
      const ours = equals('execution', job.execution);
      const renewed = await jobs.update(
        jobKey(userid, job.jobId),
        { set: { token: job.token } },
        all(ours, oneOf('state', liveStates)),
      );
      if (renewed !== undefined) return { outcome: 'renewed', row: row(renewed) };
      const known = await get(userid, job.jobId);
      if (known?.execution === job.execution) return { outcome: 'ended', row: known };
      if (job.lock !== null) {
        const holder = (await locks.get(job.lock))?.holder ?? null;
        if (holder !== job.execution) return { outcome: 'lock-lost', holder };
      }
      return { outcome: 'conflict' };
    },

    /**
     * Addresses of every job that the sparse index shows as live. The index lags behind the table by moments: it
     * nominates, a strong read decides (F51). Only keys are taken from it, so that a row which its host has
     * spoilt hides no other.
     */
    async nominateLive(): Promise<Pick<JobRow, 'pk' | 'jobId'>[]> {
      const addresses: Pick<JobRow, 'pk' | 'jobId'>[] = [];
      let start: Item | undefined;
      do {
        const answer: QueryCommandOutput = await deps.client.send(
          new QueryCommand({
            TableName: deps.jobs,
            IndexName: liveJobsIndex,
            KeyConditionExpression: '#live = :yes',
            ExpressionAttributeNames: { '#live': 'live' },
            ExpressionAttributeValues: { ':yes': 'yes' },
            ...(start === undefined ? {} : { ExclusiveStartKey: start }),
          }),
        );
        for (const { pk, sk } of answer.Items ?? []) {
          addresses.push({ pk: String(pk), jobId: jobIdOfKey(String(sk)) });
        }
        start = answer.LastEvaluatedKey;
      } while (start !== undefined);
      return addresses;
    },

    /** All rows of an execution's jobs by strong reads, live or ended; rows that DynamoDB has dropped are left out. */
    async ofExecution(execution: string): Promise<JobRow[]> {
      const rows: JobRow[] = [];
      for (const { userid, jobId } of await orders.ofExecution(execution)) {
        const found = await get(userid, jobId);
        if (found !== undefined) rows.push(found);
      }
      return rows;
    },

    /**
     * Cancels a job that is not committing. A queued one ends at once, since nobody can claim it any more
     * (`ended`); a claimed one is told at its next beat (`told`, live until its runner has ended); a committing
     * one is left alone.
     */
    async cancel(
      userid: string,
      jobId: string,
      at: string,
    ): Promise<{ outcome: 'ended' | 'told' | 'committing' | 'gone' }> {
      const key = jobKey(userid, jobId);
      const unclaimed = await jobs.update(
        key,
        { set: { state: 'cancelled', endedAt: at }, remove: ['live', 'token'] },
        equals('state', 'queued'),
      );
      if (unclaimed !== undefined) return { outcome: 'ended' };
      const told = await jobs.update(key, { set: { state: 'cancelled' } }, equals('state', 'claimed'));
      if (told !== undefined) return { outcome: 'told' };
      const known = await get(userid, jobId);
      if (known === undefined) return { outcome: 'gone' };
      if (known.state === 'committing') return { outcome: 'committing' };
      return { outcome: known.live === 'yes' ? 'told' : 'ended' };
    },

    /**
     * Ends a job in its runner's place, if nothing has happened to it since `seen` was read (same state, same
     * beat). Answers its token of that moment, so that the caller can tell the execution; `moved`: look again.
     */
    async endFor(
      userid: string,
      seen: JobRow,
      to: 'succeeded' | 'failed' | 'lost' | 'cancelled',
      at: string,
      what: { error?: ErrorRecord; result?: unknown } = {},
    ): Promise<{ outcome: 'ended'; token: string | null } | { outcome: 'moved' }> {
      const before = await jobs.update(
        jobKey(userid, seen.jobId),
        {
          set: {
            state: to,
            endedAt: at,
            error: what.error === undefined ? undefined : rowError(what.error),
            result: what.result,
          },
          remove: ['live', 'token'],
        },
        all(
          equals('state', seen.state),
          equals('live', 'yes'),
          seen.beatAt === undefined ? absent('beatAt') : equals('beatAt', seen.beatAt),
        ),
        'old',
      );
      if (before === undefined) return { outcome: 'moved' };
      const token = before.token;
      return { outcome: 'ended', token: typeof token === 'string' ? token : null };
    },
  };
}

export type Jobs = ReturnType<typeof makeJobs>;
