import { DeleteCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import type { BackupRecord } from '../../../contract/records/backup.ts';
import type { JobRow } from '../../../contract/records/job.ts';
import type { Tombstone } from '../../../functions/catalog/tombstone.ts';
import type { LocalTarget } from '../../../infra/local/target.ts';

export type Item = { pk: string; sk: string } & Record<string, unknown>;

/** What the tables hold, as an operator's hand reads and changes them. Journeys build keys only here. */
export function tablesOf({ clients: { tables }, names }: LocalTarget) {
  const catalog = names.catalogTable;
  const scan = async (table: string): Promise<Item[]> => {
    const { Items } = await tables.send(new ScanCommand({ TableName: table, ConsistentRead: true }));
    return (Items ?? []) as Item[];
  };
  const inCatalog = async (pk: string, prefix: string): Promise<Item[]> =>
    (await scan(catalog)).filter((item) => item.pk === pk && item.sk.startsWith(prefix));
  const change = (table: string, { pk, sk }: Pick<Item, 'pk' | 'sk'>, values: Record<string, unknown>) => {
    const fields = Object.keys(values);
    return tables.send(
      new UpdateCommand({
        TableName: table,
        Key: { pk, sk },
        UpdateExpression: `SET ${fields.map((_, i) => `#${i} = :${i}`).join(', ')}`,
        ExpressionAttributeNames: Object.fromEntries(fields.map((field, i) => [`#${i}`, field])),
        ExpressionAttributeValues: Object.fromEntries(fields.map((field, i) => [`:${i}`, values[field]])),
      }),
    );
  };

  return {
    catalog: () => scan(catalog),

    async emptyCatalog(): Promise<void> {
      for (const { pk, sk } of await scan(catalog)) {
        await tables.send(new DeleteCommand({ TableName: catalog, Key: { pk, sk } }));
      }
    },

    backups: async (clusterId: string) =>
      (await inCatalog(`CLUSTER#${clusterId}`, 'BACKUP#')) as unknown as (BackupRecord & Item)[],

    changeBackup: ({ clusterId, backupId }: Pick<BackupRecord, 'clusterId' | 'backupId'>, values: object) =>
      change(catalog, { pk: `CLUSTER#${clusterId}`, sk: `BACKUP#${backupId}` }, { ...values }),

    slot: async (clusterId: string, slot: string) =>
      (await inCatalog(`CLUSTER#${clusterId}`, `SLOT#${slot}`))[0],

    changeSlot: (clusterId: string, slot: string, values: Record<string, unknown>) =>
      change(catalog, { pk: `CLUSTER#${clusterId}`, sk: `SLOT#${slot}` }, values),

    /** Names of the locks that are held. */
    locks: async () => (await inCatalog('LOCK', '')).map((item) => item.sk),

    /** Executions that hold a place under any cap. */
    leases: async () =>
      (await inCatalog('CAP', '')).flatMap((item) => [...((item.holders ?? []) as Set<string>)]),

    pins: async () => (await inCatalog('PIN', '')).map((item) => item.sk),

    /** Jobs of an execution, in the order in which they were written. */
    async jobs(execution: string): Promise<JobRow[]> {
      const rows = (await scan(names.jobsTable)) as unknown as JobRow[];
      return rows
        .filter((row) => row.execution === execution)
        .sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
    },

    async liveJobs(): Promise<JobRow[]> {
      return ((await scan(names.jobsTable)) as unknown as JobRow[]).filter((row) => row.live === 'yes');
    },

    changeJob: (job: Pick<JobRow, 'pk' | 'sk'>, values: Record<string, unknown>) =>
      change(names.jobsTable, job, values),

    tombstones: async () => (await inCatalog('TOMBSTONE', '')) as unknown as (Tombstone & Item)[],

    changeTombstone: ({ clusterId, backupId }: Pick<Tombstone, 'clusterId' | 'backupId'>, values: object) =>
      change(catalog, { pk: 'TOMBSTONE', sk: `${clusterId}#${backupId}` }, { ...values }),

    /** Control's own copy of what was ordered. */
    changeOrder: (jobId: string, values: Record<string, unknown>) =>
      change(catalog, { pk: `ORDER#${jobId}`, sk: 'ORDER' }, values),
  };
}

export type Tables = ReturnType<typeof tablesOf>;
