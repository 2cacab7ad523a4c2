import type { BreachKind } from '../catalog/breach.ts';
import type { Message } from '../clients/topic.ts';
import { dashboardLink, executionLink, machineLink } from '../env/console-links.ts';
import { evidence, hours, lastGood, minute, type Tell } from './evidence.ts';

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
/** Where so many of a kind stand already, a pass has one message for all that begin or end: a storm may come by and by. */
const crowd = 20;
/** Clusters that such a message names. */
const namedAtMost = 50;

const isOver = ({ breach }: Tell) => breach.state === 'clearing';
/**
 * Hosts word causes and name objects: a control character, or half of a pair that was cut, would make the SDK or SNS
 * refuse the message in each pass, and with it those of the clusters that it is put together with.
 */
const oneLine = (text: string) =>
  text
    .toWellFormed()
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Cn}]/gu, '?')
    .trim();
/** SNS takes less than 100 characters of ASCII, and no line breaks. */
const subjectOf = (text: string) => oneLine(text.replace(/[^\x20-\x7e]/g, '?').slice(0, 99));

const lines = (rows: readonly (readonly [string, string | undefined])[]) =>
  rows
    .filter((row): row is [string, string] => row[1] !== undefined)
    .map(([name, value]) => `${name.padEnd(15)} ${oneLine(value)}\n`)
    .join('');

function single(tell: Tell, place: Place): Message {
  const { breach, standing, plan } = tell;
  const { clusterId, kind, since } = breach;
  const about = aboutKind[kind];
  const proof = isOver(tell) ? undefined : evidence(tell, place.backupMachineArn);
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
    return [
      tell.breach.clusterId,
      over ? good : `${good}; ${evidence(tell, place.backupMachineArn)?.why ?? ''}`,
    ];
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

/**
 * The messages of a pass: of each kind and phase one per cluster, or one for all where there are many, in this pass or
 * by the number of each kind that stand already.
 */
export function messagesOf(
  tells: readonly Tell[],
  place: Place,
  standing: ReadonlyMap<BreachKind, number> = new Map(),
): { message: Message; tells: readonly Tell[] }[] {
  const groups = Map.groupBy(tells, (tell) => `${tell.breach.kind} ${isOver(tell)}`);
  return [...groups.values()].flatMap((group) => {
    const crowded = group.some(({ breach }) => (standing.get(breach.kind) ?? 0) >= crowd);
    return group.length > (crowded ? 1 : oneByOne)
      ? [{ message: summary(group, place), tells: group }]
      : group.map((tell) => ({ message: single(tell, place), tells: [tell] }));
  });
}
