import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { mariadbWorkers } from '../../runner/engines/mysql/replay/replay-mariadb.ts';
import { atLeast, interleaved, median } from './measure.ts';
import { makeLog, throughApplier, throughText } from './replay-servers.ts';
import type { Bench } from './stand.ts';

const transactions = 150_000;
const tried = [0, 1, 2, 4];

/**
 * The replay of a restore, its scratch server included, against `mariadb-binlog | mariadb`: the same files, the same
 * data directory, the same options of a server that need not be durable.
 */
export const replay: Bench = {
  name: 'replay',
  about: '150,000 small transactions of a log replayed, against mariadb-binlog | mariadb',
  run: async (stand) => {
    const logged = await makeLog(stand, transactions);
    const bytes = logged.files.reduce((sum, { path }) => sum + statSync(path).size, 0);
    const workers = mariadbWorkers(availableParallelism());
    const tell = (seconds: number) => `${seconds.toFixed(1)} s`;
    const runs = await interleaved<number>(
      {
        'mariadb-binlog | mariadb': () => throughText(stand, logged),
        [`applier, ${workers} workers`]: () => throughApplier(stand, logged, workers),
      },
      stand.say,
      tell,
    );
    const others: [string, number[]][] = [];
    for (const n of tried.filter((n) => n !== workers)) {
      const seconds = await throughApplier(stand, logged, n);
      stand.say(`applier, ${n} workers: ${tell(seconds)}`);
      others.push([`applier, ${n} workers (once)`, [seconds]]);
    }
    const [text, applier] = Object.values(runs);
    const ratios = text!.map((seconds, round) => seconds / applier![round]!);
    return {
      table: [
        [
          `${transactions} transactions, ${(bytes / 1024 ** 2).toFixed(0)} MiB of log`,
          's',
          'MiB/s',
          'transactions/s',
        ],
        ...[...Object.entries(runs), ...others].map(([name, of]) => [
          name,
          median(of).toFixed(1),
          (bytes / 1024 ** 2 / median(of)).toFixed(1),
          (transactions / median(of)).toFixed(0),
        ]),
      ],
      measures: [atLeast('replay.speed-of-text', median(ratios), 'ratio', 5)],
    };
  },
};
