import { expect, it } from 'vitest';
import { transactionsBetween } from '../../../../contract/positions/transactions-between.ts';

const [a, b] = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '9a11fa47-71ca-11e1-9e33-c80aa9429562'];

it('a log between two positions of MySQL holds what is in the set of the second alone, whichever server gave it', () => {
  const holds = transactionsBetween({
    from: { gtid: `${a}:1-10` },
    until: { flavour: 'mysql', gtid: `${a}:1-20:25,${b}:1-3` },
  });
  const seen = [`${a}:10`, `${a}:11`, `${a}:20`, `${a}:21`, `${a}:25`, `${b}:3`, `${b}:4`, ''].map(holds);
  expect(seen).toEqual([false, true, true, false, true, true, false, false]);
});

it('a log between two positions of MariaDB holds what lies between them in its domain', () => {
  const holds = transactionsBetween({
    from: { gtid: '0-1-10' },
    until: { flavour: 'mariadb', gtid: '0-2-20,1-1-3' },
  });
  const seen = ['0-1-10', '0-9-11', '0-2-20', '0-2-21', '1-1-1', '1-1-4', '2-1-1', ''].map(holds);
  expect(seen).toEqual([false, true, true, false, true, false, false, false]);
});
