import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Tombstones } from '../catalog/tombstone.ts';
import type { Log } from '../log/log.ts';
import { lookAtStray, type StrayDeps, secondLookHours } from '../retention/stray.ts';
import { passes, passSeconds } from './clusters-of-pass.ts';
import { each } from './each.ts';

/** Days back in which attempts are looked at: as long as their orders are kept, without which nothing is deleted. */
const lookBackDays = 180;

/** So many attempts of one cluster are judged in one pass; the others have their turn in the next ones. */
const judgedAtMost = 20;

/**
 * The share of a pass: attempts that stay, with a manifest, hide none behind them. It moves on when every cluster has
 * had its turn; moved with each pass, it would be the same one whenever a cluster of a large fleet comes to its own.
 */
export function attemptsOfPass<T>(all: readonly T[], now: Date): T[] {
  if (all.length <= judgedAtMost) return [...all];
  const shares = Math.ceil(all.length / judgedAtMost);
  const turn = Math.floor(now.getTime() / 1000 / passSeconds / passes) % shares;
  return all.slice(turn * judgedAtMost, (turn + 1) * judgedAtMost);
}

export type StraysDeps = StrayDeps & {
  backups: Pick<Backups, 'get' | 'list'>;
  tombstones: Pick<Tombstones, 'of' | 'put'>;
  log: Log;
};

/** Sets a tombstone on what each attempt without a manifest has stored. Deleting is retention's, a day later. */
export async function reconcileStrays(
  deps: StraysDeps,
  clusters: readonly Pick<ClusterRecord, 'document'>[],
): Promise<{ tombstoned: number; failed: number }> {
  const now = deps.now();
  const oldest = new Date(now.getTime() - lookBackDays * 86_400_000).toISOString();
  const { done, failed } = await each(clusters, 10, deps.log, async ({ document: { clusterId } }) => {
    const ended = (await deps.backups.list(clusterId)).filter(
      ({ state, startedAt, clearedAt }) =>
        (state === 'failed' || state === 'lost') && clearedAt === undefined && startedAt > oldest,
    );
    if (ended.length === 0) return 0;
    const marked = new Set((await deps.tombstones.of(clusterId)).map(({ backupId }) => backupId));
    let tombstoned = 0;
    const unmarked = ended.filter(({ backupId }) => !marked.has(backupId));
    for (const { backupId } of attemptsOfPass(unmarked, now)) {
      const { verdict, backup } = await lookAtStray(deps, { clusterId, backupId });
      if (backup === undefined || verdict.outcome !== 'stray') continue;
      const { jobId, site } = backup;
      const since = now.toISOString();
      const notBefore = new Date(now.getTime() + secondLookHours * 3_600_000).toISOString();
      const put = await deps.tombstones.put({ v: 1, clusterId, backupId, jobId, site, since, notBefore });
      if (put) tombstoned++;
    }
    return tombstoned;
  });
  const tombstoned = done.reduce((sum, n) => sum + n, 0);
  if (tombstoned > 0) deps.log.info('marked what attempts without a manifest have stored', { tombstoned });
  return { tombstoned, failed };
}
