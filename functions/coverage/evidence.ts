import type { BreachRecord } from '../catalog/breach.ts';
import type { BackupFact, CoverageRecord } from '../catalog/coverage.ts';
import { executionArnOf } from '../clients/executions.ts';
import { attemptName } from '../reconcile/retries.ts';
import type { Plan, Standing } from './judge.ts';

/** One thing to tell: a breach that began, or one that is over. `standing`: none where the cluster is registered no more. */
export type Tell = {
  breach: BreachRecord;
  standing?: Standing | undefined;
  coverage?: CoverageRecord | undefined;
  plan?: Plan | undefined;
};

/** Why, in one sentence, and whose execution shows it. */
export type Evidence = { why: string; execution?: string | undefined };

export const minute = (instant: string) => `${instant.slice(0, 16).replace('T', ' ')}Z`;
export const hours = (from: string, to: Date) => ((to.getTime() - Date.parse(from)) / 3_600_000).toFixed(1);

/** The newest backup that counts, and its age. */
export const lastGood = ({ coverage }: Tell, now: Date): string =>
  coverage?.counted
    ? `${minute(coverage.counted.startedAt)}, ${hours(coverage.counted.startedAt, now)} h ago, backup ${coverage.counted.backupId}`
    : 'none yet';

const ofBackup = (backup: BackupFact): Evidence => ({
  why: `backup ${backup.backupId} of ${minute(backup.startedAt)}: ${backup.why ?? backup.state}`,
  // Of a backup that was ordered in another way than by an execution there is none to show.
  execution: backup.execution.startsWith('arn:') ? backup.execution : undefined,
});

/** What the newest attempt of a slot says; that there was none says that nobody started it. */
function ofSlot({ standing, coverage, plan }: Tell, machineArn: string, failed: boolean): Evidence {
  const due = standing?.due?.slot;
  const slots = coverage?.slots ?? [];
  const slot = failed
    ? (standing?.failedSlot ?? slots.findLast(({ state }) => state === 'failed') ?? slots.at(-1))
    : slots.find((known) => known.slot === due);
  if (slot === undefined || coverage === undefined) {
    return { why: `no attempt for ${due === undefined ? 'its slot' : `slot ${due}`} was ever started` };
  }
  if (slot.state === 'recorded' && coverage.suspect) return ofBackup(coverage.suspect);
  const said = slot.error ? `${slot.error.name}: ${slot.error.cause}` : `it is ${slot.state}`;
  const name = attemptName({ clusterId: coverage.clusterId, slot: slot.slot, attempt: slot.attempt });
  return {
    why: `attempt ${slot.attempt} of ${plan?.policy?.attempts ?? '?'} for slot ${slot.slot}: ${said}`,
    execution: executionArnOf(machineArn, name),
  };
}

/** The backup, the slot or the objects that a breach is about. */
export function evidence(tell: Tell, machineArn: string): Evidence | undefined {
  const { breach, standing, coverage } = tell;
  switch (breach.kind) {
    case 'lost':
      return coverage?.lost ? ofBackup(coverage.lost) : undefined;
    case 'suspect':
      return coverage?.suspect ? ofBackup(coverage.suspect) : undefined;
    case 'unclaimed': {
      const { count = 0, first = [] } = coverage?.unclaimed ?? {};
      return { why: `${count} that nobody ordered, first of them ${first.join(' ')}` };
    }
    case 'overdue':
      return standing?.planless ? { why: standing.planless } : ofSlot(tell, machineArn, false);
    case 'failed':
      return ofSlot(tell, machineArn, true);
  }
}
