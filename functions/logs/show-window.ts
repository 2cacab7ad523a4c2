import { z } from 'zod';
import { id } from '../../contract/records/ids.ts';
import type { ArchiveRecord, Archives } from '../catalog/archive.ts';
import type { Backups } from '../catalog/backup.ts';
import { chainOf } from '../catalog/chain.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Sites } from '../env/variables.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import { considered } from '../restore/restorable.ts';
import { recordedTimelines } from './recorded-timelines.ts';
import { behindOf, sayWindows } from './say-window.ts';
import { type SetWindows, windowsOf } from './windows.ts';

/** So many windows and holes are shown, newest first: an archive that broke a thousand times has no more to say. */
const shown = 50;

export type ShowWindowDeps = {
  archives: Pick<Archives, 'list' | 'allRanges'>;
  backups: Pick<Backups, 'list'>;
  clusters: Pick<Clusters, 'get'>;
  sites: Sites;
  now: () => Date;
};

type ShownSet = SetWindows & {
  set: string;
  archive: Pick<
    ArchiveRecord,
    'timeline' | 'memberId' | 'hostId' | 'state' | 'reason' | 'durableAt' | 'newest'
  > & { behindSeconds: number | null };
};

export type ShownWindow = {
  outcome: 'shown';
  clusterId: string;
  /** The same as below, in sentences: read this first. */
  says: string[];
  /** What is restored without `until`. */
  backup: { backupId: string; startedAt: string } | null;
  sets: ShownSet[];
};

/** "To which times can it be restored?" By the catalog alone, as Reconcile recorded it; reads no object, touches nothing. */
export const makeHandler = (deps: ShowWindowDeps) =>
  makeLambda({
    name: 'show-window',
    event: z.strictObject({ clusterId: id }),
    onInvalid: 'refuse',
    handle: async ({ clusterId }): Promise<ShownWindow | Refused> => {
      const facts = { field: 'clusterId', value: clusterId };
      const cluster = await deps.clusters.get(clusterId);
      if (!cluster) return refused('Cluster.Unknown', `clusterId: ${clusterId} is not registered`, facts);
      const { homeSite } = cluster.document;
      const { bucket = '', region = '' } = deps.sites[homeSite] ?? {};
      const backups = await deps.backups.list(clusterId);
      const usable = considered(backups, 'latest').filter((of) => chainOf(of, backups).outcome === 'whole');
      const site = { site: homeSite, bucket, region };
      const now = deps.now();

      const [newest] = usable;
      const says = [
        newest
          ? `without until: backup ${newest.backupId} of ${newest.startedAt}`
          : 'no backup is verified: nothing can be restored',
      ];
      const sets: ShownSet[] = [];
      for (const record of await deps.archives.list(clusterId)) {
        const { set, timeline, memberId, hostId, state, reason, durableAt } = record;
        const all = windowsOf(await recordedTimelines(deps.archives, record, site), usable);
        const found: SetWindows = {
          windows: all.windows.slice(0, shown),
          holes: all.holes.slice(0, shown),
          barren: all.barren.slice(0, shown),
        };
        const { behindSeconds, said } = behindOf(record, now);
        says.push(...[said, ...sayWindows(found)].map((line) => `${set}: ${line}`));
        sets.push({
          set,
          archive: {
            timeline,
            memberId,
            hostId,
            state,
            reason,
            durableAt,
            newest: record.newest,
            behindSeconds,
          },
          ...found,
        });
      }
      if (sets.length === 0) says.push(`no log of ${clusterId} is archived: logs.archive of its policy`);
      return {
        outcome: 'shown',
        clusterId,
        says,
        backup: newest ? { backupId: newest.backupId, startedAt: newest.startedAt } : null,
        sets,
      };
    },
  });
