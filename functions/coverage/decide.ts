import type { BreachRecord } from '../catalog/breach.ts';

/** A pass ends within 110 s: after four minutes whoever took the telling upon itself is gone. */
const tellAgainMinutes = 4;

export type BreachStep = 'leave' | 'begin' | 'clear' | 'tell-again';

/**
 * What to do about one kind of breach of one cluster. What was not confirmed as told comes first, so that beginning and
 * end alternate for whoever listens: a breach whose beginning is not confirmed is told before it can be cleared.
 */
export function decideBreach(known: BreachRecord | undefined, holds: boolean, now: Date): BreachStep {
  if (known === undefined) return holds ? 'begin' : 'leave';
  if (known.state === 'open') return holds ? 'leave' : 'clear';
  const waited = now.getTime() - Date.parse(known.claimedAt);
  return waited >= tellAgainMinutes * 60_000 ? 'tell-again' : 'leave';
}
