import { describe, expect, it } from 'vitest';
import {
  insideWindow,
  isSlotOf,
  newestSlot,
  slotInstant,
  slotName,
} from '../../../../functions/fleet/slot.ts';

const berlin = (cron: string) => ({ cron, zone: 'Europe/Berlin' });
const newest = (cron: string, now: string) => newestSlot(berlin(cron), new Date(now))?.slot;

describe('the newest slot', () => {
  it('is the last planned instant at or before now', () => {
    expect(newest('30 2 * * *', '2026-11-23T12:00:00Z')).toBe('20261123T0130Z');
    expect(newest('30 2 * * *', '2026-11-23T01:30:00.000Z')).toBe('20261123T0130Z');
    expect(newest('30 2 * * *', '2026-11-23T01:29:59.999Z')).toBe('20261122T0130Z');
  });

  it('F54: happens at the end of the gap on the day that spring skips its local time', () => {
    expect(newest('30 2 * * *', '2026-03-29T00:59:59Z')).toBe('20260328T0130Z');
    expect(newest('30 2 * * *', '2026-03-29T12:00:00Z')).toBe('20260329T0100Z');
    expect(newest('30 2 * * *', '2026-03-30T12:00:00Z')).toBe('20260330T0030Z');
  });

  it('F54: happens once, the first time, on the day that autumn repeats its local time', () => {
    expect(newest('30 2 * * *', '2026-10-25T00:30:00Z')).toBe('20261025T0030Z');
    expect(newest('30 2 * * *', '2026-10-25T01:30:00Z')).toBe('20261025T0030Z');
    expect(newest('30 2 * * *', '2026-10-25T12:00:00Z')).toBe('20261025T0030Z');
    expect(newest('30 2 * * *', '2026-10-26T01:30:00Z')).toBe('20261026T0130Z');
  });

  it('F54: happens in every real hour when it is planned hourly', () => {
    const hours = ['00:20', '01:20', '02:20'].map((t) => newest('15 * * * *', `2026-10-25T${t}:00Z`));
    expect(hours).toEqual(['20261025T0015Z', '20261025T0115Z', '20261025T0215Z']);
    const spring = ['00:20', '01:20'].map((t) => newest('15 * * * *', `2026-03-29T${t}:00Z`));
    expect(spring).toEqual(['20260329T0015Z', '20260329T0115Z']);
  });

  it('is found years back for a rare plan', () => {
    expect(newest('0 2 29 2 *', '2026-11-23T12:00:00Z')).toBe('20240229T0100Z');
  });
});

describe('a slot', () => {
  it('is named by its instant', () => {
    expect(slotName(slotInstant('20261123T0130Z'))).toBe('20261123T0130Z');
    expect(slotInstant('20261123T0130Z').toISOString()).toBe('2026-11-23T01:30:00.000Z');
  });

  it('belongs to a policy only when the policy plans it', () => {
    expect(isSlotOf(berlin('30 2 * * *'), '20261123T0130Z')).toBe(true);
    expect(isSlotOf(berlin('30 2 * * *'), '20261123T0131Z')).toBe(false);
    expect(isSlotOf(berlin('30 2 * * *'), '20261399T9999Z')).toBe(false);
  });

  it('F46: may start until its window is over', () => {
    const slot = { slot: '20261123T0130Z', at: new Date('2026-11-23T01:30:00Z') };
    expect(insideWindow({ windowMinutes: 60 }, slot, new Date('2026-11-23T02:30:00Z'))).toBe(true);
    expect(insideWindow({ windowMinutes: 60 }, slot, new Date('2026-11-23T02:30:01Z'))).toBe(false);
  });
});
