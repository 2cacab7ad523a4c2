import { expect, it } from 'vitest';
import { mariadbWorkers } from '../../../../../../runner/engines/mysql/replay/replay-mariadb.ts';
import { mysqlWorkers } from '../../../../../../runner/engines/mysql/replay/replay-mysql.ts';

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

it.each([
  [1, 8],
  [2, 8],
  [12, 12],
  [64, 16],
])(
  'M14 on %i processors an applier of relay logs gets %i workers: busy ones are not woken',
  (processors, workers) => {
    expect(mysqlWorkers(processors)).toBe(workers);
  },
);
