import { z } from 'zod';
import { readStored } from '../../contract/formats/codec.ts';
import { hostId, id, instant, mintedId } from '../../contract/records/ids.ts';
import { orderSchema } from '../../contract/records/job.ts';
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
});

/** What was ordered, kept where hosts cannot write. Control decides by this, never by the order in the job's row. */
export type OrderRecord = z.infer<typeof orderRecordSchema>;

/** Orders are asked for while their executions can be looked up (90 days); kept twice as long. */
const keepSeconds = 180 * 86_400;

const key = (jobId: string) => ({ pk: `ORDER#${jobId}`, sk: 'ORDER' });
const ofExecutionKey = (execution: string, jobId: string) => ({
  pk: `EXECUTION#${execution}`,
  sk: `ORDER#${jobId}`,
});

/** For the dispatch transaction: the order, and its name under its execution so that a strong read finds it (F51). */
export function orderWrites(table: string, order: OrderRecord): [Write, Write] {
  const ttl = Math.floor(Date.parse(order.createdAt) / 1000) + keepSeconds;
  return [
    putWrite(table, { ...order, ttl, ...key(order.jobId) }, absent('pk')),
    putWrite(
      table,
      { jobId: order.jobId, userid: order.userid, ttl, ...ofExecutionKey(order.execution, order.jobId) },
      absent('pk'),
    ),
  ];
}

const pointerSchema = z.object({ jobId: z.string(), userid: z.string() });

/** Orders: written once, by dispatch, never changed. */
export function makeOrders(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    async get(jobId: string): Promise<OrderRecord | undefined> {
      const item = await table.get(key(jobId));
      return item && readStored(orderRecordSchema, 'order record', item);
    },

    /** Addresses of all jobs that an execution ordered. */
    async ofExecution(execution: string): Promise<{ jobId: string; userid: string }[]> {
      const items = await table.query(`EXECUTION#${execution}`);
      return items.map((item) => pointerSchema.parse(item));
    },
  };
}

export type Orders = ReturnType<typeof makeOrders>;
