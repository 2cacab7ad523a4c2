import { z } from 'zod';
import { siteRefSchema } from '../../contract/records/backup.ts';
import { id, instant, mintedId } from '../../contract/records/ids.ts';
import { absent, present } from './condition.ts';
import { makeTable, type TableDeps } from './table.ts';

const tombstoneSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  backupId: mintedId,
  /** The job that was ordered for it. */
  jobId: mintedId,
  site: siteRefSchema,
  /** When it was first seen to be a stray: the day until the second look counts from here. */
  since: instant,
  /** Before this there is no use in looking again. */
  notBefore: instant,
});

/** What an attempt without a manifest has stored, marked to be deleted. */
export type Tombstone = z.infer<typeof tombstoneSchema>;

type Place = Pick<Tombstone, 'clusterId' | 'backupId'>;

const prefix = (clusterId: string) => `${clusterId}#`;
const key = ({ clusterId, backupId }: Place) => ({
  pk: 'TOMBSTONE',
  sk: `${prefix(clusterId)}${backupId}`,
});

/** Tombstones: one record per stray until nothing of it is left. */
export function makeTombstones(deps: TableDeps) {
  const table = makeTable(deps);
  const read = async (of: string): Promise<Tombstone[]> =>
    (await table.query('TOMBSTONE', { prefix: of })).map((item) => tombstoneSchema.parse(item));
  return {
    /** Sets it once: a second call leaves the first one's time, and answers false. */
    put: (tombstone: Tombstone): Promise<boolean> =>
      table.put({ ...tombstone, ...key(tombstone) }, absent('pk')),

    of: (clusterId: string): Promise<Tombstone[]> => read(prefix(clusterId)),

    list: (): Promise<Tombstone[]> => read(''),

    /** Moves the next look; a tombstone that is gone stays gone. */
    async postpone(place: Place, notBefore: string): Promise<void> {
      await table.update(key(place), { set: { notBefore } }, present('pk'));
    },

    async remove(place: Place): Promise<void> {
      await table.remove(key(place));
    },
  };
}

export type Tombstones = ReturnType<typeof makeTombstones>;
