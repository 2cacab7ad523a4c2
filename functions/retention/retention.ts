import { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';
import { instant } from '../../contract/records/ids.ts';
import type { Backups } from '../catalog/backup.ts';
import type { RetentionSwitch } from '../catalog/retention-switch.ts';
import type { Tombstone, Tombstones } from '../catalog/tombstone.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import type { Log } from '../log/log.ts';
import { each } from '../reconcile/each.ts';
import { clearStray } from './clear-stray.ts';
import { lookAtStray, type StrayDeps, secondLookHours } from './stray.ts';

/** When to try again what the store refuses although no lock is said to be left: a legal hold, a right, a clock. */
const deniedHours = 24;
/** When to look again at what broke. */
const brokenHours = 1;

/** The function ends after 880 s; this leaves it time to finish what is in flight. */
const budgetSeconds = 780;

export type RetentionDeps = StrayDeps & {
  backups: Pick<Backups, 'get' | 'list' | 'cleared'>;
  tombstones: Pick<Tombstones, 'list' | 'postpone' | 'remove'>;
  retentionSwitch: Pick<RetentionSwitch, 'get' | 'turnOn'>;
};

export type RetentionAnswer =
  | { outcome: 'off'; since: string; why: string }
  | {
      /** `more`: the next run goes on. */
      outcome: 'done' | 'more';
      tombstones: number;
      /** Not due yet, or still locked. */
      waiting: number;
      /** Nothing of them is left. */
      cleared: number;
      /** No strays after all: their tombstones are gone. */
      kept: number;
      /** Refused by the store although no lock was left. */
      denied: number;
      versionsDeleted: number;
    };

type Became = 'waiting' | 'cleared' | 'kept' | 'denied' | 'more';

const hoursFrom = (at: string | Date, hours: number) =>
  new Date(new Date(at).getTime() + hours * 3_600_000).toISOString();

/** The second look at one stray, and its end. */
async function endStray(
  deps: RetentionDeps & { log: Log; onDeleted: () => void },
  tombstone: Tombstone,
  until: number,
): Promise<Became> {
  const { clusterId, backupId, since } = tombstone;
  const now = deps.now();
  const secondLook = hoursFrom(since, secondLookHours);
  if (now.toISOString() < secondLook) {
    await deps.tombstones.postpone(tombstone, secondLook);
    return 'waiting';
  }
  const { verdict, backup } = await lookAtStray(deps, tombstone);
  const keep = async (why: string): Promise<Became> => {
    await deps.tombstones.remove(tombstone);
    deps.log.info('no stray after all', { clusterId, backupId, why });
    return 'kept';
  };
  if (verdict.outcome === 'none') return keep(verdict.why);
  if (verdict.outcome === 'later') {
    await deps.tombstones.postpone(tombstone, verdict.until);
    return 'waiting';
  }
  const { jobId, site } = backup ?? tombstone;
  if (jobId !== tombstone.jobId || site.bucket !== tombstone.site.bucket) return keep('it is another backup');
  const cleared = await clearStray({ ...deps, versions: deps.versionsOf(site) }, tombstone, until);
  switch (cleared.outcome) {
    case 'more':
      // Behind all others that are due: one host that has stored millions of objects keeps no stray from its turn.
      await deps.tombstones.postpone(tombstone, now.toISOString());
      return 'more';
    case 'kept':
      return keep('its manifest is stored');
    case 'locked':
      await deps.tombstones.postpone(tombstone, cleared.until);
      return 'waiting';
    case 'denied':
      await deps.tombstones.postpone(tombstone, hoursFrom(now, deniedHours));
      deps.log.error('a stray that says it is not locked cannot be deleted', {
        clusterId,
        backupId,
        key: cleared.key,
        bucket: site.bucket,
      });
      return 'denied';
    case 'cleared':
      // The record first: without it the next pass of Reconcile would set the tombstone again.
      await deps.backups.cleared(clusterId, backupId, now.toISOString());
      await deps.tombstones.remove(tombstone);
      deps.log.info('a stray is gone', { clusterId, backupId });
      return 'cleared';
  }
}

/**
 * Deletes what attempts without a manifest have stored: by exact version ids, a day after Reconcile has marked them,
 * when they still are strays and their Object Lock has ended. A lock that has not is no error: the stray is looked at
 * again when it ends (F33). One that breaks keeps no other from its turn; the run fails at its end. After a rebuild
 * nothing is deleted until somebody calls with `confirm`, the time since when it is off.
 */
export const makeHandler = (deps: RetentionDeps) =>
  makeLambda({
    name: 'retention',
    event: z.object({ confirm: instant.optional() }),
    onInvalid: 'refuse',
    handle: async ({ confirm }, log): Promise<RetentionAnswer | Refused> => {
      const off = await deps.retentionSwitch.get();
      if (confirm !== undefined && off?.since !== confirm) {
        const cause = `confirm: retention is ${off ? `off since ${off.since}` : 'not off'}`;
        return refused('Input.Invalid', cause, { field: 'confirm', value: confirm });
      }
      if (confirm !== undefined) await deps.retentionSwitch.turnOn(confirm);
      else if (off) return { outcome: 'off', since: off.since, why: off.why };
      const began = deps.now();
      const all = await deps.tombstones.list();
      const due = all
        .filter(({ notBefore }) => notBefore <= began.toISOString())
        .sort((a, b) => (a.notBefore < b.notBefore ? -1 : 1));
      const until = began.getTime() + budgetSeconds * 1000;
      let versionsDeleted = 0;
      const onDeleted = () => {
        versionsDeleted++;
      };
      const { done, failed } = await each(due, 2, log, async (tombstone): Promise<Became> => {
        if (deps.now().getTime() > until) return 'more';
        try {
          return await endStray({ ...deps, log, onDeleted }, tombstone, until);
        } catch (thrown) {
          await deps.tombstones.postpone(tombstone, hoursFrom(began, brokenHours));
          throw thrown;
        }
      });
      const count = (what: Became) => done.filter((became) => became === what).length;
      if (failed > 0) {
        throw new NamedError(
          'Retention.Incomplete',
          `${failed} of ${due.length} strays could not be looked at or deleted; the log has the error of each`,
          { failed, versionsDeleted },
        );
      }
      return {
        outcome: count('more') > 0 ? 'more' : 'done',
        tombstones: all.length,
        waiting: all.length - due.length + count('waiting'),
        cleared: count('cleared'),
        kept: count('kept'),
        denied: count('denied'),
        versionsDeleted,
      };
    },
  });
