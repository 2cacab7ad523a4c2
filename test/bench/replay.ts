import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { unstable } from '../servers/unstable.ts';
import { atLeast, interleaved, median, type Outcome } from './measure.ts';
import { mariadbFlavour, mysqlFlavour, type ReplayFlavour } from './replay-flavours.ts';
import { makeLog, throughApplier, throughText } from './replay-servers.ts';
import type { Bench, Stand } from './stand.ts';

const transactions = 150_000;

/** @param tried workers that are measured once besides those that a restore takes here */
async function measure(
  stand: Stand,
  of: ReplayFlavour,
  measured: string,
  least: number,
  tried: readonly number[],
): Promise<Outcome> {
  const logged = await makeLog(stand, of, transactions);
  const bytes = logged.files.reduce((sum, { path }) => sum + statSync(path).size, 0);
  const workers = of.replays.workers(availableParallelism());
  const tell = (seconds: number) => `${seconds.toFixed(1)} s`;
  const runs = await interleaved<number>(
    {
      [`${of.decoder} | ${of.client}`]: () => throughText(stand, logged),
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
      ...[...Object.entries(runs), ...others].map(([name, seconds]) => [
        name,
        median(seconds).toFixed(1),
        (bytes / 1024 ** 2 / median(seconds)).toFixed(1),
        (transactions / median(seconds)).toFixed(0),
      ]),
    ],
    measures: [atLeast(measured, median(ratios), 'ratio', least)],
  };
}

/**
 * The replay of a restore, its scratch server included, against `mariadb-binlog | mariadb`: the same files, the same
 * data directory, the same options of a server that need not be durable.
 */
export const replay: Bench = {
  name: 'replay',
  about: '150,000 small transactions of a log replayed, against mariadb-binlog | mariadb',
  run: (stand) => measure(stand, mariadbFlavour, 'replay.speed-of-text', 5, [0, 1, 2, 4]),
};

/** The same of MySQL: relay logs against `mysqlbinlog | mysql`. */
export const replayMysql: Bench = {
  name: 'replay-mysql',
  about: '150,000 small transactions of a log of MySQL replayed, against mysqlbinlog | mysql',
  run: async (stand) => {
    const others = await unstable();
    if (others.missing !== null) throw new Error(others.missing);
    return measure(stand, mysqlFlavour(others.mysql), 'replay-mysql.speed-of-text', 7, [0, 1, 4, 8]);
  },
};
