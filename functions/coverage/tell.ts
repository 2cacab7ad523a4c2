import { type Breaches, type BreachKind, type BreachRecord, breachKinds } from '../catalog/breach.ts';
import type { Publish } from '../clients/topic.ts';
import type { Log } from '../log/log.ts';
import { each } from '../reconcile/each.ts';
import { decideBreach } from './decide.ts';
import type { Tell } from './evidence.ts';
import { messagesOf } from './message.ts';

/** A cluster that was just looked at, and the breaches that are noted of it. */
export type Subject = {
  plan: NonNullable<Tell['plan']>;
  standing: NonNullable<Tell['standing']>;
  coverage: NonNullable<Tell['coverage']>;
  known: readonly BreachRecord[];
};

export type TellDeps = {
  breaches: Breaches;
  publish: Publish;
  backupMachineArn: string;
  installation: string;
  log: Log;
};

/** Why a breach is over. */
function whyOver({ standing, coverage }: Subject, kind: BreachKind): string {
  if (kind === 'unclaimed') return 'no unclaimed object is left';
  if (standing.unwatched) return standing.unwatched;
  const { counted } = coverage;
  return counted
    ? `backup ${counted.backupId} of ${counted.startedAt} is ${counted.state}`
    : 'it holds no more';
}

/**
 * Tells the topic of breaches that begin and end. Each is noted first, by a conditional write that one pass alone gets
 * through, then published, then noted as told. A pass that dies in between, or that never hears whether the topic took
 * the message, leaves the note unconfirmed, and another pass tells it again after some minutes: a message may come
 * twice, it does not get lost.
 */
export function makeTeller(deps: TellDeps, now: Date) {
  const at = now.toISOString();

  /** What this pass alone has to tell of one kind, by its note; undefined where there is nothing, or another pass does. */
  async function claimed(
    known: BreachRecord | undefined,
    holds: boolean,
    of: { clusterId: string; kind: BreachKind; why: string },
  ): Promise<BreachRecord | undefined> {
    const { clusterId, kind, why } = of;
    switch (decideBreach(known, holds, now)) {
      case 'leave':
        return undefined;
      case 'begin': {
        const begun = await deps.breaches.begin({ clusterId, kind }, at);
        return begun ? { v: 1, clusterId, kind, state: 'beginning', since: at, claimedAt: at } : undefined;
      }
      case 'clear':
        return known && (await deps.breaches.clear(known, at, why))
          ? { ...known, state: 'clearing', claimedAt: at, clearedAt: at, why }
          : undefined;
      case 'tell-again':
        return known && (await deps.breaches.claim(known, at)) ? { ...known, claimedAt: at } : undefined;
    }
  }

  async function ofSubject(subject: Subject): Promise<Tell[]> {
    const { standing, coverage, plan, known } = subject;
    const tells: Tell[] = [];
    for (const kind of breachKinds) {
      const noted = known.find((breach) => breach.kind === kind);
      const of = { clusterId: standing.clusterId, kind, why: whyOver(subject, kind) };
      const breach = await claimed(noted, standing.holds.includes(kind), of);
      if (breach) tells.push({ breach, standing, coverage, plan });
    }
    return tells;
  }

  /** `noted`: every breach there is; `gone`: those of clusters that are registered no more. */
  return async (
    subjects: readonly Subject[],
    noted: readonly BreachRecord[],
    gone: readonly BreachRecord[],
  ): Promise<{ began: number; cleared: number; failed: number }> => {
    const live = await each(subjects, 20, deps.log, ofSubject);
    const left = await each(gone, 20, deps.log, async (known): Promise<Tell[]> => {
      const breach = await claimed(known, false, { ...known, why: 'it is registered no more' });
      return breach ? [{ breach }] : [];
    });
    const place = { backupMachineArn: deps.backupMachineArn, installation: deps.installation, now };
    const counted = Map.groupBy(noted, ({ kind }) => kind);
    const standing = new Map([...counted].map(([kind, of]) => [kind, of.length]));
    const messages = messagesOf([...live.done, ...left.done].flat(), place, standing);
    const sent = await each(messages, 5, deps.log, async ({ message, tells }) => {
      await deps.publish(message);
      deps.log.info('told', { subject: message.subject });
      const confirmed = await each(tells, 20, deps.log, ({ breach }) => deps.breaches.told(breach));
      return { tells, failed: confirmed.failed };
    });
    const told = sent.done.flatMap(({ tells }) => tells);
    const cleared = told.filter(({ breach }) => breach.state === 'clearing').length;
    return {
      began: told.length - cleared,
      cleared,
      failed: live.failed + left.failed + sent.failed + sent.done.reduce((n, { failed }) => n + failed, 0),
    };
  };
}
