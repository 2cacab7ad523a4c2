import type { Archives } from '../catalog/archive.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Sites } from '../env/variables.ts';
import type { ArchiveHeads } from '../restore/plan-until.ts';
import type { ArchiveHead } from '../restore/point/walk-archive.ts';

/**
 * Where each timeline of a cluster ends by the record, the newest first: the archive's own where it goes on, and those
 * that ended by their last day.
 */
export const makeArchiveHeads = (deps: {
  archives: Pick<Archives, 'list' | 'allRanges'>;
  clusters: Pick<Clusters, 'get'>;
  sites: Sites;
}): ArchiveHeads => ({
  heads: async (clusterId) => {
    const homeSite = (await deps.clusters.get(clusterId))?.document.homeSite;
    const place = homeSite === undefined ? undefined : deps.sites[homeSite];
    if (homeSite === undefined || place === undefined) return [];
    const site = { site: homeSite, bucket: place.bucket, region: place.region };
    const heads: ArchiveHead[] = [];
    for (const record of await deps.archives.list(clusterId)) {
      const { set, timeline, newest, durableAt } = record;
      const ended = new Map<string, ArchiveHead>();
      for (const range of await deps.archives.allRanges(record)) {
        if (range.timeline === timeline && newest !== null) continue;
        const { key, crc, seen } = range.last;
        ended.set(range.timeline, {
          site,
          set,
          timeline: range.timeline,
          newest: { key, crc },
          durableAt: seen,
        });
      }
      if (newest)
        heads.push({ site, set, timeline, newest: { key: newest.key, crc: newest.crc }, durableAt });
      // Names of timelines begin with their time, and ranges come in their order.
      heads.push(...[...ended.values()].reverse());
    }
    return heads;
  },
});
