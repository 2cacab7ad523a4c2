import { type ErrorRecord, NamedError } from '../../contract/errors/named-error.ts';
import { readStored } from '../../contract/formats/codec.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import { type JobRow, type JobState, jobIdOfKey, jobKey, jobRowSchema } from '../../contract/records/job.ts';
import { backupRunningWrite } from './backup.ts';
import { absent, all, equals, oneOf, present } from './condition.ts';
import { lockHeldWrite, makeLocks } from './lock.ts';
import { type JobAddress, makeOrders, type OrderRecord, orderWrites } from './order.ts';
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
/** Its host may have changed every attribute but the key, which therefore says whose row it is. */
const row = (item: Item): JobRow => {
  const read = readStored(jobRowSchema, 'job row', item);
  return { ...read, jobId: jobIdOfKey(read.sk) };
};

/** A job of an execution; `live`: its row says so, and its time is not over. */
export type JobStanding = JobAddress & { live: boolean };

/** An error as a row carries it: the cause is cut to what its schema takes, and not in the middle of a character. */
const rowError = (error: ErrorRecord): ErrorRecord => ({
  ...error,
  cause: error.cause.slice(0, 4_000).toWellFormed(),
});

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
        deadline: job.deadline,
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

    /** A row that may be spoilt: its host can write into it what it likes. */
    async look(userid: string, jobId: string): Promise<JobRow | 'spoilt' | undefined> {
      try {
        return await get(userid, jobId);
      } catch (thrown) {
        if (thrown instanceof NamedError) return 'spoilt';
        throw thrown;
      }
    },

    /** How the jobs of an execution stand, by strong reads; rows that DynamoDB has dropped are left out. */
    async ofExecution(execution: string, at: string): Promise<JobStanding[]> {
      const standing: JobStanding[] = [];
      for (const { userid, jobId, over } of await orders.ofExecution(execution)) {
        const item = await jobs.get(jobKey(userid, jobId));
        const inTime = over === undefined || at <= over;
        if (item !== undefined) standing.push({ userid, jobId, live: inTime && item.live === 'yes' });
      }
      return standing;
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
      const known = await jobs.get(key);
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

    /**
     * Ends a job whatever its row says and however often its host changes it: for rows that cannot be read, and for
     * jobs whose time is over. Answers the token of that moment, if there is one.
     */
    async endByForce(
      userid: string,
      jobId: string,
      to: 'lost' | 'cancelled',
      at: string,
      error: ErrorRecord,
    ): Promise<{ token: string | null }> {
      const before = await jobs.update(
        jobKey(userid, jobId),
        { set: { state: to, endedAt: at, error: rowError(error) }, remove: ['live', 'token'] },
        present('pk'),
        'old',
      );
      return { token: typeof before?.token === 'string' ? before.token : null };
    },
  };
}

export type Jobs = ReturnType<typeof makeJobs>;
