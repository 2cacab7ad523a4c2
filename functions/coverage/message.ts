import type { BreachKind, BreachRecord } from '../catalog/breach.ts';
import type { BackupFact, CoverageRecord } from '../catalog/coverage.ts';
import { executionArnOf } from '../clients/executions.ts';
import type { Message } from '../clients/topic.ts';
import { dashboardLink, executionLink, machineLink } from '../env/console-links.ts';
import { attemptName } from '../reconcile/retries.ts';
import type { Plan, Standing } from './judge.ts';

/** One thing to tell: a breach that began, or one that is over. `standing`: none where the cluster is registered no more. */
export type Tell = {
  breach: BreachRecord;
  standing?: Standing | undefined;
  coverage?: CoverageRecord | undefined;
  plan?: Plan | undefined;
};

export type Place = { backupMachineArn: string; installation: string; now: Date };

/** Section of the runbook, and the words for it, of each kind. */
export const aboutKind: Readonly<Record<BreachKind, { section: string; one: string; many: string }>> = {
  overdue: { section: 'clusters-overdue', one: 'is overdue', many: 'are overdue' },
  failed: { section: 'clusters-failed', one: 'failed to be backed up', many: 'failed to be backed up' },
  lost: { section: 'jobs-lost', one: 'lost a backup', many: 'lost a backup' },
  suspect: { section: 'clusters-suspect', one: 'has a suspect backup', many: 'have a suspect backup' },
  unclaimed: { section: 'objects-unclaimed', one: 'has unclaimed objects', many: 'have unclaimed objects' },
};

/** Up to so many are told one by one in a pass, of a kind; more than that are one message: a storm is one thing to read. */
const oneByOne = 5;
/** Clusters that such a message names. */
const namedAtMost = 50;

const isOver = ({ breach }: Tell) => breach.state === 'clearing';
const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();
const minute = (instant: string) => `${instant.slice(0, 16).replace('T', ' ')}Z`;
const hours = (from: string, to: Date) => ((to.getTime() - Date.parse(from)) / 3_600_000).toFixed(1);

/** SNS takes 100 characters of ASCII, and no line breaks. */
const subjectOf = (text: string) => oneLine(text.replace(/[^\x20-\x7e]/g, '?')).slice(0, 100);

const lastGood = ({ coverage }: Tell, now: Date): string =>
  coverage?.counted
    ? `${minute(coverage.counted.startedAt)}, ${hours(coverage.counted.startedAt, now)} h ago, backup ${coverage.counted.backupId}`
    : 'none yet';

/** The backup or the slot that the breach is about: why, and whose execution shows it. */
function evidence({ breach, standing, coverage, plan }: Tell, place: Place) {
  const ofBackup = (backup: BackupFact | null | undefined) =>
    backup && {
      why: `backup ${backup.backupId} of ${minute(backup.startedAt)}: ${backup.why ?? backup.state}`,
      execution: backup.execution.startsWith('arn:') ? backup.execution : undefined,
    };
  if (breach.kind === 'lost') return ofBackup(coverage?.lost);
  if (breach.kind === 'suspect') return ofBackup(coverage?.suspect);
  if (breach.kind === 'unclaimed') {
    const { count = 0, first = [] } = coverage?.unclaimed ?? {};
    return { why: `${count} that nobody ordered, first of them ${first.join(' ')}`, execution: undefined };
  }
  const slot = standing?.failedSlot ?? coverage?.slots.at(-1);
  if (standing?.planless) return { why: standing.planless, execution: undefined };
  if (slot === undefined || coverage === undefined) {
    const due = standing?.due ? `slot ${standing.due.slot}` : 'the slot';
    return { why: `no attempt for ${due} was ever started`, execution: undefined };
  }
  const said = slot.error ? `${slot.error.name}: ${slot.error.cause}` : `it is ${slot.state}`;
  const name = attemptName({ clusterId: coverage.clusterId, slot: slot.slot, attempt: slot.attempt });
  return {
    why: `attempt ${slot.attempt} of ${plan?.policy?.attempts ?? '?'} for slot ${slot.slot}: ${said}`,
    execution: executionArnOf(place.backupMachineArn, name),
  };
}

const lines = (rows: readonly (readonly [string, string | undefined])[]) =>
  rows
    .filter((row): row is [string, string] => row[1] !== undefined)
    .map(([name, value]) => `${name.padEnd(15)} ${oneLine(value)}\n`)
    .join('');

function single(tell: Tell, place: Place): Message {
  const { breach, standing, plan } = tell;
  const { clusterId, kind, since } = breach;
  const about = aboutKind[kind];
  const proof = isOver(tell) ? undefined : evidence(tell, place);
  const good = tell.coverage?.counted;
  const subject = isOver(tell)
    ? `${place.installation}: ${clusterId} cleared: ${kind} for ${hours(since, place.now)} h`
    : `${place.installation}: ${clusterId} ${about.one}, last good backup ${good ? minute(good.startedAt) : 'none'}`;
  const body = lines([
    ['cluster', clusterId],
    ['breach', isOver(tell) ? `${kind}, cleared: ${breach.why ?? ''}` : `${kind}: it ${about.one}`],
    ['since', since],
    ['cleared', isOver(tell) ? breach.clearedAt : undefined],
    ['last good', lastGood(tell, place.now)],
    ['due', standing?.due ? `slot ${standing.due.slot}` : undefined],
    ['policy', plan?.text ?? plan?.name],
    ['why', proof?.why],
    ['what to do', isOver(tell) ? undefined : `docs/runbook.md#${about.section}`],
    ['execution', proof?.execution && executionLink(proof.execution)],
    ['executions', machineLink(place.backupMachineArn)],
    ['dashboard', dashboardLink(place.backupMachineArn, place.installation)],
  ]);
  return { subject: subjectOf(subject), body, attributes: { ...attributesOf(tell), cluster: clusterId } };
}

const attributesOf = (tell: Tell) => ({
  breach: tell.breach.kind,
  phase: isOver(tell) ? 'cleared' : 'began',
});

function summary(tells: readonly Tell[], place: Place): Message {
  const [first] = tells;
  if (first === undefined) throw new RangeError('nothing to tell');
  const { kind, clusterId } = first.breach;
  const about = aboutKind[kind];
  const count = tells.length;
  const over = isOver(first);
  const what = over ? `cleared: ${kind}` : about.many;
  const named = tells.slice(0, namedAtMost).map((tell): [string, string] => {
    const good = `last good ${lastGood(tell, place.now)}`;
    return [tell.breach.clusterId, over ? good : `${good}; ${evidence(tell, place)?.why ?? ''}`];
  });
  const head = lines([
    ['breach', `${count} clusters ${what}`],
    ['what to do', over ? undefined : `docs/runbook.md#${about.section}`],
    ['executions', machineLink(place.backupMachineArn)],
    ['dashboard', dashboardLink(place.backupMachineArn, place.installation)],
  ]);
  const rest = count > named.length ? `and ${count - named.length} more\n` : '';
  return {
    subject: subjectOf(
      `${place.installation}: ${count} clusters ${what}: ${clusterId} and ${count - 1} more`,
    ),
    body: `${head}\n${lines(named)}${rest}`,
    attributes: { ...attributesOf(first), clusters: String(count) },
  };
}

/** The messages of a pass: of each kind and phase one per cluster, or one for all where there are many. */
export function messagesOf(
  tells: readonly Tell[],
  place: Place,
): { message: Message; tells: readonly Tell[] }[] {
  const groups = Map.groupBy(tells, (tell) => `${tell.breach.kind} ${isOver(tell)}`);
  return [...groups.values()].flatMap((group) =>
    group.length > oneByOne
      ? [{ message: summary(group, place), tells: group }]
      : group.map((tell) => ({ message: single(tell, place), tells: [tell] })),
  );
}
