import type { BackupRecord, BackupState } from '../../contract/records/backup.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Backups } from '../catalog/backup.ts';
import { chainOf } from '../catalog/chain.ts';
import type { BackupFact, CoverageRecord } from '../catalog/coverage.ts';
import type { SlotRecord, Slots } from '../catalog/slot.ts';
import { slotName } from '../fleet/slot.ts';
import { type Plan, watchedSince } from './judge.ts';

/** States that count for retention and restore. */
const counting: readonly BackupState[] = ['verified', 'proven'];
const underWay: readonly BackupState[] = ['running', 'committed'];
const settled: readonly BackupState[] = [...counting, 'suspect', 'quarantined'];

/** What a message shows of a cause: the whole text is in the records and in the execution. */
const causeLength = 300;

/** A pair of code units that is cut in two leaves a half that no store and no topic takes. */
const beginning = (text: string, length: number) => text.slice(0, length).toWellFormed();

const short = (error: { name: string; cause: string }) => ({
  name: beginning(error.name, 100),
  cause: beginning(error.cause, causeLength),
});

function factOf(backup: BackupRecord | undefined): BackupFact | null {
  if (backup === undefined) return null;
  const { backupId, state, slot, startedAt, execution, error, reasons } = backup;
  const why = error ? `${error.name}: ${error.cause}` : reasons.join('; ');
  return {
    backupId,
    state,
    slot,
    startedAt,
    execution,
    ...(why === '' ? {} : { why: beginning(why, causeLength) }),
  };
}

/** What a cluster's backups (latest start first) and slots (oldest first, `due` among them) say of its coverage. */
function coverageFrom(
  { document: { clusterId } }: ClusterRecord,
  backups: readonly BackupRecord[],
  slots: readonly SlotRecord[],
  due: string | undefined,
  rest: Pick<CoverageRecord, 'watchedSince' | 'plan' | 'unclaimed'>,
): CoverageRecord {
  // An incremental counts with its whole chain: what cannot be restored covers nobody.
  const counted = backups.find(
    (backup) => counting.includes(backup.state) && chainOf(backup, backups).outcome === 'whole',
  );
  const after = backups.filter((backup) => counted === undefined || backup.startedAt > counted.startedAt);
  const newest = backups.find((backup) => settled.includes(backup.state));
  return {
    v: 1,
    clusterId,
    counted: factOf(counted),
    underWay: factOf(after.find((backup) => underWay.includes(backup.state))),
    lost: factOf(after.find((backup) => backup.state === 'lost')),
    suspect: newest?.state === 'suspect' ? factOf(newest) : null,
    slots: slots
      .filter(({ slot }, i) => slot === due || i >= slots.length - 3)
      .map(({ slot, attempt, state, openedAt, error }) => ({
        slot,
        attempt,
        state,
        openedAt,
        ...(error === undefined ? {} : { error: short(error) }),
      })),
    ...rest,
  };
}

export type LookDeps = { backups: Pick<Backups, 'list'>; slots: Pick<Slots, 'list'>; now: () => Date };

/** Looks at one cluster, by strong reads of its backups and slots. */
export async function lookAt(
  deps: LookDeps,
  cluster: ClusterRecord,
  plan: Plan,
  known: CoverageRecord | undefined,
  unclaimed: CoverageRecord['unclaimed'],
): Promise<CoverageRecord> {
  const now = deps.now();
  const { clusterId, policy } = cluster.document;
  const since = watchedSince(cluster, known, plan, now);
  const oldest = plan.due ?? plan.newest;
  const [backups, slots] = await Promise.all([
    deps.backups.list(clusterId),
    deps.slots.list(clusterId, oldest?.slot ?? slotName(now)),
  ]);
  return coverageFrom(cluster, backups, slots, plan.due?.slot, {
    watchedSince: since,
    plan: plan.text ?? known?.plan ?? policy,
    unclaimed,
  });
}
