/** Hours. Reconcile renews the pins of running executions every few minutes; this bridges a day without it. */
const pinHours = 24;

/** When a pin that is set or renewed now ends by itself. */
export const pinUntil = (now: Date): Date => new Date(now.getTime() + pinHours * 3_600_000);

/** Whether a pin needs renewing: less than half of its time is left. */
export const pinIsAging = (until: string, now: Date): boolean =>
  Date.parse(until) - now.getTime() < (pinHours / 2) * 3_600_000;
