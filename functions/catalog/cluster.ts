import { readStored } from '../../contract/formats/codec.ts';
import { type ClusterRecord, clusterRecordSchema } from '../../contract/records/cluster.ts';
import { absent, all, equals } from './condition.ts';
import { makeTable, type TableDeps } from './table.ts';

const key = (clusterId: string) => ({ pk: 'FLEET', sk: `CLUSTER#${clusterId}` });

/** Clusters as registered. */
export function makeClusters(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    async get(clusterId: string): Promise<ClusterRecord | undefined> {
      const item = await table.get(key(clusterId));
      return item && readStored(clusterRecordSchema, 'cluster record', item);
    },

    async list(): Promise<ClusterRecord[]> {
      const items = await table.query('FLEET', { prefix: 'CLUSTER#' });
      return items.map((item) => readStored(clusterRecordSchema, 'cluster record', item));
    },

    /** Puts the record over `expected` (undefined: there must be none); false when somebody changed it meanwhile. */
    put: (record: ClusterRecord, expected: ClusterRecord | undefined): Promise<boolean> =>
      table.put(
        { ...record, ...key(record.document.clusterId) },
        expected === undefined
          ? absent('pk')
          : all(
              equals('registeredAt', expected.registeredAt),
              equals('state', expected.state),
              // An order that came or went meanwhile is not written over.
              expected.ordered === undefined ? absent('ordered') : equals('ordered.at', expected.ordered.at),
            ),
      ),

    /** Puts the record whatever is there: for the rebuild from the registry only. */
    restore: async (record: ClusterRecord): Promise<void> => {
      await table.put({ ...record, ...key(record.document.clusterId) });
    },

    /** Notes an order to back up outside the schedule; false when the cluster is not there, or another order stands. */
    async order(clusterId: string, ordered: NonNullable<ClusterRecord['ordered']>): Promise<boolean> {
      const after = await table.update(
        key(clusterId),
        { set: { ordered } },
        all(equals('document.clusterId', clusterId), absent('ordered')),
      );
      return after !== undefined;
    },

    /** Takes back the order of that instant, and only that one. */
    async clearOrder(clusterId: string, at: string): Promise<boolean> {
      const after = await table.update(key(clusterId), { remove: ['ordered'] }, equals('ordered.at', at));
      return after !== undefined;
    },
  };
}

export type Clusters = ReturnType<typeof makeClusters>;
