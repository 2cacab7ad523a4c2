import { expect, it } from 'vitest';
import { mariadbWorkers } from '../../../../../../runner/engines/mysql/replay/replay-mariadb.ts';

it.each([
  [1, 0],
  [2, 0],
  [4, 3],
  [64, 8],
])(
  'M14 on %i processors an applier gets %i workers: small transactions gain nothing by them on two',
  (processors, workers) => {
    expect(mariadbWorkers(processors)).toBe(workers);
  },
);
