import { expect, it } from 'vitest';
import { replayWorkers } from '../../../../../../runner/engines/mysql/replay/replay.ts';

it.each([
  [1, 0],
  [2, 0],
  [4, 3],
  [64, 8],
])(
  'M14 on %i processors an applier gets %i workers: small transactions gain nothing by them on two',
  (processors, workers) => {
    expect(replayWorkers(processors)).toBe(workers);
  },
);
