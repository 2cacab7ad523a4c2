import { describe, expect, it } from 'vitest';
import { defaultPatience, waitMs } from '../../../../runner/stream/retry.ts';

describe('the wait between attempts', () => {
  it('doubles up to its bound, and any share of it may be drawn', () => {
    const longest = [1, 2, 3, 4, 8, 30].map((attempt) => waitMs(attempt, defaultPatience, () => 1));
    expect(longest).toEqual([200, 400, 800, 1600, 20_000, 20_000]);
    expect(waitMs(3, defaultPatience, () => 0)).toBe(0);
    expect(waitMs(3, defaultPatience, () => 0.5)).toBe(400);
  });
});
