import { z } from 'zod';
import { readStored } from '../../contract/formats/codec.ts';
import { hostId, id, instant, mintedId } from '../../contract/records/ids.ts';
import { committingSeconds, orderSchema } from '../../contract/records/job.ts';
import { absent } from './condition.ts';
import { makeTable, putWrite, type TableDeps, type Write } from './table.ts';

const orderRecordSchema = z.object({
  v: z.literal(1),
  jobId: mintedId,
  hostId,
  /** Partition of the job's row. */
  userid: z.string(),
  clusterId: id.nullable(),
  order: orderSchema,
  execution: z.string(),
  lock: z.string().nullable(),
  createdAt: instant,
  /** When its runner must be done: the row's can be changed by its host. Orders of before have none. */
  deadline: instant.optional(),
});

/** What was ordered, kept where hosts cannot write. Control decides by this, never by the order in the job's row. */
export type OrderRecord = z.infer<typeof orderRecordSchema>;

/** Orders are asked for while their executions can be looked up (90 days); kept twice as long. */
const keepSeconds = 180 * 86_400;

/** The longest deadline that a policy can set (47 h), for orders that do not name theirs. */
const longestSeconds = 47 * 3600;

/**
 * From here on a job counts as ended, whatever its row says: its deadline, and the time that its manifest is waited
 * for. A host can write its rows as it likes, and what its job stands on must come free all the same.
 */
export const overAfter = (order: Pick<OrderRecord, 'createdAt' | 'deadline'>): string => {
  const deadline =
    order.deadline === undefined
      ? Date.parse(order.createdAt) + longestSeconds * 1000
      : Date.parse(order.deadline);
  return new Date(deadline + committingSeconds * 1000).toISOString();
};

const key = (jobId: string) => ({ pk: `ORDER#${jobId}`, sk: 'ORDER' });
const ofExecutionKey = (execution: string, jobId: string) => ({
  pk: `EXECUTION#${execution}`,
  sk: `ORDER#${jobId}`,
});

const liveKey = (jobId: string) => ({ pk: 'LIVE', sk: jobId });

/**
 * For the dispatch transaction: the order, its name under its execution so that a strong read finds it (F51), and its
 * name among the jobs that may be live.
 */
export function orderWrites(table: string, order: OrderRecord): [Write, Write, Write] {
  const ttl = Math.floor(Date.parse(order.createdAt) / 1000) + keepSeconds;
  return [
    putWrite(table, { ...order, ttl, ...key(order.jobId) }, absent('pk')),
    putWrite(
      table,
      {
        jobId: order.jobId,
        userid: order.userid,
        over: overAfter(order),
        ttl,
        ...ofExecutionKey(order.execution, order.jobId),
      },
      absent('pk'),
    ),
    putWrite(table, { jobId: order.jobId, userid: order.userid, ttl, ...liveKey(order.jobId) }),
  ];
}

const addressSchema = z.object({ jobId: z.string(), userid: z.string() });
const pointerSchema = addressSchema.extend({ over: instant.optional() });

/** Where a job's row lies: the partition is its host's identity. */
export type JobAddress = z.infer<typeof addressSchema>;

/** Orders: written once, by dispatch, never changed. */
export function makeOrders(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    async get(jobId: string): Promise<OrderRecord | undefined> {
      const item = await table.get(key(jobId));
      return item && readStored(orderRecordSchema, 'order record', item);
    },

    /** All jobs that an execution ordered; `over`: when each counts as ended, whatever its row says. */
    async ofExecution(execution: string): Promise<(JobAddress & { over?: string | undefined })[]> {
      const items = await table.query(`EXECUTION#${execution}`);
      return items.map((item) => pointerSchema.parse(item));
    },

    /**
     * Addresses of the jobs that may be live, since they were ordered and nobody has seen them end. The list is
     * control's own: a host can neither flood it nor take its job off it.
     */
    async maybeLive(): Promise<JobAddress[]> {
      return (await table.query('LIVE')).map((item) => addressSchema.parse(item));
    },

    /** Takes a job that has ended off that list. */
    async ended(jobId: string): Promise<void> {
      await table.remove(liveKey(jobId));
    },
  };
}

export type Orders = ReturnType<typeof makeOrders>;
