import fc from 'fast-check';
import { describe, it } from 'vitest';
import { isSlotOf, newestSlot } from '../../../functions/fleet/slot.ts';

const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata'];
const schedules = fc.record({
  cron: fc
    .tuple(
      fc.integer({ min: 0, max: 59 }),
      fc.constantFrom('*', '*/3', '0', '1', '2', '3', '12', '23'),
      fc.constantFrom('*', '1', '29', '*/5'),
      fc.constantFrom('*', '3', '10'),
      fc.constantFrom('*', '0', '1-5'),
    )
    .map((fields) => fields.join(' ')),
  zone: fc.constantFrom(...zones),
});
const instants = fc.date({
  min: new Date('2026-01-01T00:00:00Z'),
  max: new Date('2027-12-31T00:00:00Z'),
  noInvalidDate: true,
});

describe('the newest slot', () => {
  it('is never after now, never goes back as time goes on, and is a slot of its own policy', () => {
    fc.assert(
      fc.property(
        schedules,
        instants,
        fc.integer({ min: 0, max: 3 * 86_400_000 }),
        (schedule, now, later) => {
          const first = newestSlot(schedule, now);
          const second = newestSlot(schedule, new Date(now.getTime() + later));
          if (first === undefined || second === undefined) return first === undefined;
          return (
            first.at <= now &&
            first.at <= second.at &&
            isSlotOf(schedule, first.slot) &&
            first.at.getTime() % 60_000 === 0
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is the same for every instant up to the next slot', () => {
    fc.assert(
      fc.property(schedules, instants, (schedule, now) => {
        const slot = newestSlot(schedule, now);
        if (slot === undefined) return true;
        const halfway = new Date((slot.at.getTime() + now.getTime()) / 2);
        return newestSlot(schedule, halfway)?.slot === slot.slot;
      }),
      { numRuns: 1_000 },
    );
  });
});
