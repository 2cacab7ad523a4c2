import { expect, it } from 'vitest';
import { mariadbWorkers, workersFor } from '../../../../../../runner/engines/mysql/replay/replay-mariadb.ts';
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
  ['0-1-5', '0-2-9', 4],
  ['0-1-5,7-1-3', '0-1-9,7-1-3', 4],
  ['0-1-5', '0-1-9,7-2-1', 0],
  ['0-1-5,7-1-3', '0-1-9,7-2-4', 0],
])('M13 from %s to %s of four workers %i are used: domains depend on each other', (from, until, workers) => {
  const at = (gtid: string) => ({ kind: 'mysql' as const, flavour: 'mariadb' as const, gtid });
  expect(workersFor({ from: at(from), until: at(until) }, 4)).toBe(workers);
});

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
