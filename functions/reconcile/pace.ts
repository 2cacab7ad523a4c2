import type { Policy } from '../../contract/records/policy.ts';

/** What was started for a cluster, and how many of its slots and orders are used up without a backup. */
export type Tally = { started: number; exhausted: number };
export const nothing: Tally = { started: 0, exhausted: 0 };

/** Minutes between an attempt's end and the next one: its share of the window, 10 at most. */
export const pauseMinutes = ({ attempts, schedule }: Pick<Policy, 'attempts' | 'schedule'>) =>
  Math.min(10, schedule.windowMinutes / (attempts + 1));
