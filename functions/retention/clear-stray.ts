import { NamedError } from '../../contract/errors/named-error.ts';
import { backupPrefix, manifestKey } from '../../contract/layout.ts';
import type { Tombstone } from '../catalog/tombstone.ts';
import { limited } from '../clients/limited.ts';
import type { StoredVersion, Versions } from '../clients/versions.ts';
import { isStored } from './stray.ts';

export type Cleared =
  /** Nothing is left of it. */
  | { outcome: 'cleared' }
  /** A manifest is stored after all, which wins. */
  | { outcome: 'kept' }
  /** Its lock, as the object itself says, ends then (ISO 8601). */
  | { outcome: 'locked'; until: string }
  /** The store refused to delete what says that it is not locked. */
  | { outcome: 'denied'; key: string }
  /** Its time is over; the next run goes on. */
  | { outcome: 'more' };

/** As many requests at once as leave most of a client's 50 connections to others. */
const atOnce = 20;

/** Until when the versions of a page are locked: the latest end among those that are still to come. */
async function locksOf(
  versions: Versions,
  page: readonly StoredVersion[],
  now: Date,
): Promise<string | undefined> {
  const ends = await limited(page, atOnce, (version) => versions.lockedUntil(version));
  return ends
    .filter((end) => end !== undefined)
    .filter((end) => end > now.toISOString())
    .sort()
    .at(-1);
}

/**
 * Deletes what a stray has stored, by exact version ids below its own backup's prefix and nowhere else. Nothing of a
 * page goes before all its locks have ended, and before each page is looked for the manifest once more. `onDeleted`
 * hears of every version that is gone; no page is begun after `until` (milliseconds since the epoch).
 */
export async function clearStray(
  deps: { versions: Versions; now: () => Date; onDeleted: () => void },
  tombstone: Tombstone,
  until: number,
): Promise<Cleared> {
  const { versions, now } = deps;
  const prefix = backupPrefix(tombstone);
  const manifest = manifestKey(tombstone);
  for await (const page of versions.list(prefix)) {
    if (now().getTime() > until) return { outcome: 'more' };
    const foreign = page.find(({ key }) => !key.startsWith(prefix));
    if (foreign) {
      throw new NamedError(
        'Holdfast.Unexpected',
        `the store listed ${foreign.key} below ${prefix}; nothing is deleted`,
      );
    }
    const lockEnd = await locksOf(versions, page, now());
    if (lockEnd !== undefined) return { outcome: 'locked', until: lockEnd };
    if (await isStored(versions, manifest)) return { outcome: 'kept' };
    let denied: string | undefined;
    await limited(page, atOnce, async (version) => {
      if (denied !== undefined) return;
      const { outcome } = await versions.remove(version);
      if (outcome === 'removed') deps.onDeleted();
      else denied = version.key;
    });
    if (denied !== undefined) return { outcome: 'denied', key: denied };
  }
  // A second list: what came while the first was worked through is left to the next run.
  for await (const page of versions.list(prefix)) if (page.length > 0) return { outcome: 'more' };
  return { outcome: 'cleared' };
}
