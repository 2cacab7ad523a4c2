import { describe, expect, it } from 'vitest';
import { makeProgress } from '../../../../runner/job/progress.ts';

function make() {
  const state = { now: 0, phases: 0 };
  const progress = makeProgress({ monotonic: () => state.now, onPhase: () => state.phases++ });
  return { state, ...progress };
}

describe('progress', () => {
  it('has the rate of the time since it was last looked at', () => {
    const { state, report, current } = make();
    report('streaming', 1_000_000, 10_000_000);
    state.now = 1000;
    expect(current()).toEqual({
      phase: 'streaming',
      bytes: 1_000_000,
      expectedBytes: 10_000_000,
      bytesPerSecond: 1_000_000,
    });
    report('streaming', 1_500_000);
    state.now = 2000;
    expect(current()).toMatchObject({ bytesPerSecond: 500_000, expectedBytes: 10_000_000 });
    state.now = 2100;
    expect(current()).toMatchObject({ bytesPerSecond: 500_000 });
  });

  it('keeps the bytes while a phase without bytes runs beside them', () => {
    const { report, current } = make();
    report('streaming', 500, 1000);
    report('comparing 1 of 10 tables');
    expect(current()).toMatchObject({ phase: 'comparing 1 of 10 tables', bytes: 500, expectedBytes: 1000 });
  });

  it('tells of another phase, not of another count within one', () => {
    const { state, report } = make();
    report('comparing 1 of 10 tables');
    report('comparing 2 of 10 tables');
    expect(state.phases).toBe(1);
    report('committing');
    expect(state.phases).toBe(2);
  });

  it('takes a count that begins anew for what it is', () => {
    const { state, report, current } = make();
    report('unpacking', 5000);
    state.now = 1000;
    current();
    report('preparing', 100);
    state.now = 2000;
    expect(current().bytesPerSecond).toBe(100);
  });

  it('fits the row, however long a phase is called', () => {
    const { report, current } = make();
    report('x'.repeat(200));
    expect(current().phase).toHaveLength(60);
  });
});
