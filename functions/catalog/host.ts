import { readStored } from '../../contract/formats/codec.ts';
import { type HostRecord, hostRecordSchema } from '../../contract/records/host.ts';
import { absent, all, equals } from './condition.ts';
import { makeTable, type TableDeps } from './table.ts';

const key = (hostId: string) => ({ pk: 'FLEET', sk: `HOST#${hostId}` });

/** Hosts as registered. */
export function makeHosts(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    async get(hostId: string): Promise<HostRecord | undefined> {
      const item = await table.get(key(hostId));
      return item && readStored(hostRecordSchema, 'host record', item);
    },

    async list(): Promise<HostRecord[]> {
      const items = await table.query('FLEET', { prefix: 'HOST#' });
      return items.map((item) => readStored(hostRecordSchema, 'host record', item));
    },

    /** Puts the record over `expected` (undefined: there must be none); false when somebody changed it meanwhile. */
    put: (record: HostRecord, expected: HostRecord | undefined): Promise<boolean> =>
      table.put(
        { ...record, ...key(record.document.hostId) },
        expected === undefined
          ? absent('pk')
          : all(equals('registeredAt', expected.registeredAt), equals('state', expected.state)),
      ),

    /** Puts the record whatever is there: for the rebuild from the registry only. */
    restore: async (record: HostRecord): Promise<void> => {
      await table.put({ ...record, ...key(record.document.hostId) });
    },
  };
}

export type Hosts = ReturnType<typeof makeHosts>;
