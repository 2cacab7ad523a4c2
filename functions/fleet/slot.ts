import { Cron } from 'croner';
import type { Policy } from '../../contract/records/policy.ts';

/** A planned instant, and its name. */
export type Slot = { slot: string; at: Date };

/** `20261123T0200Z`; slots are whole minutes. */
export const slotName = (at: Date): string => `${at.toISOString().slice(0, 16).replace(/[-:]/g, '')}Z`;

/** The instant that a slot's name stands for. */
export const slotInstant = (slot: string): Date =>
  new Date(
    slot.replace(
      /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})Z$/,
      (_, y, mo, d, h, mi) => `${y}-${mo}-${d}T${h}:${mi}:00.000Z`,
    ),
  );

/**
 * The newest slot at or before `now`, by the policy's five-field cron read in its zone; undefined when there never
 * was one. Slots are instants (F54): a local time that spring skips happens at the end of the gap, one that autumn
 * repeats happens the first time, and what is planned hourly happens in every real hour.
 */
export function newestSlot(
  { cron, zone }: Pick<Policy['schedule'], 'cron' | 'zone'>,
  now: Date,
): Slot | undefined {
  const pattern = new Cron(cron, { timezone: zone, mode: '5-part', paused: true });
  // previousRuns leaves out the reference itself, so it is asked from one millisecond later.
  const [at] = pattern.previousRuns(1, new Date(now.getTime() + 1));
  return at === undefined ? undefined : { slot: slotName(at), at };
}

/** Whether the policy plans this slot. */
export function isSlotOf(schedule: Pick<Policy['schedule'], 'cron' | 'zone'>, slot: string): boolean {
  const at = slotInstant(slot);
  return !Number.isNaN(at.getTime()) && newestSlot(schedule, at)?.slot === slot;
}

/** Whether a slot may still start: its window is not over. */
export const insideWindow = (
  { windowMinutes }: Pick<Policy['schedule'], 'windowMinutes'>,
  slot: Slot,
  now: Date,
) => now.getTime() - slot.at.getTime() <= windowMinutes * 60_000;
