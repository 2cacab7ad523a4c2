import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import type { BackupOrder, BackupResult, RestoreOrder, RestoreResult } from '../../contract/records/job.ts';
import type { RestoreTablesOrder, RestoreTablesResult } from '../../contract/records/restore-tables.ts';
import { indexRows } from '../../functions/restore/tables/index-rows.ts';
import { type Reading, readingOf } from '../../functions/restore/tables/reading.ts';
import type { MariadbServer } from '../../infra/local/mariadb.ts';
import { freePort } from '../../infra/local/wait.ts';
import { MiB, resultOf } from './backup-run.ts';
import { atLeast, atMost, interleaved, median } from './measure.ts';
import { benchHost } from './measured-host.ts';
import { type Sink, startSink } from './processes.ts';
import { backupOrder, startBenchServer } from './servers.ts';
import type { Bench, Stand } from './stand.ts';

/** Tables of one size, of which one is brought back: 5 % of the database. */
const count = 20;
const rowsPerTable = 400_000;
const wanted = { schema: 'bench', table: 't07' };

/** Rows that shrink to about half, as orders and their texts do. */
async function fillTables(server: MariadbServer): Promise<void> {
  const connection = await server.connect();
  await connection.query('CREATE DATABASE bench');
  await connection.query(`CREATE TABLE bench.t00 (id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, customer INT UNSIGNED NOT NULL,
    placed DATETIME NOT NULL, net DECIMAL(10,2) NOT NULL, note VARCHAR(200), KEY customer (customer))`);
  await connection.query('SET SESSION max_statement_time=0');
  await connection.query(
    `INSERT INTO bench.t00 (customer, placed, net, note) SELECT RAND() * 1e6, '2026-01-01' + INTERVAL seq SECOND,
       RAND() * 1e4, CONCAT(REPEAT('a word of many ', 4), HEX(RANDOM_BYTES(40))) FROM bench.seq_1_to_${rowsPerTable}`,
  );
  for (let i = 1; i < count; i++) {
    const name = `bench.t${String(i).padStart(2, '0')}`;
    await connection.query(`CREATE TABLE ${name} LIKE bench.t00`);
    await connection.query(`INSERT INTO ${name} SELECT * FROM bench.t00`);
  }
  await connection.end();
}

type Stored = { sink: Sink; directory: string; order: BackupOrder; result: BackupResult; manifest: Manifest };

async function storedBackup(stand: Stand, server: MariadbServer): Promise<Stored> {
  const directory = join(stand.paths.run, 'store');
  const sink = await startSink(stand.registry, 'keep', directory);
  const order = backupOrder(server, 'zstd', 1, 'b-tables');
  order.plan.checkpointFirst = true;
  const result = resultOf(await (await stand.host()).run(order, { store: sink.url }));
  const manifest = decodeManifest(await readFile(join(directory, result.manifestKey)));
  return { sink, directory, order, result, manifest };
}

/** What the plan would say. */
async function planned({ directory, manifest }: Stored): Promise<Reading> {
  const { key } = manifest.streams[0]!.index;
  const index = await readFile(join(directory, key));
  const set = { tables: [wanted], ancestors: [], relations: manifest.relations };
  return (await readingOf(set, indexRows(index, 'main'))).reading;
}

type Restored = { seconds: number; given: number };

const base = ({ order, result }: Stored) => ({
  clusterId: order.clusterId,
  backupId: order.backupId,
  engine: order.engine,
  flavour: order.flavour,
  site: order.site,
  manifestSha256: result.manifestSha256,
  policy: order.policy,
});

async function timedJob<T>(stand: Stand, stored: Stored, order: RestoreOrder | RestoreTablesOrder) {
  const before = await stored.sink.counts();
  const started = performance.now();
  const { row } = await (await stand.host()).run(order, { store: stored.sink.url });
  const seconds = (performance.now() - started) / 1000;
  if (row.state !== 'succeeded') throw new Error(`the job is ${row.state}: ${row.error?.cause}`);
  const after = await stored.sink.counts();
  return { seconds, given: after.given - before.given, result: row.result as T };
}

async function wholeRestore(stand: Stand, stored: Stored): Promise<Restored> {
  const directory = join(stand.paths.run, 'restored');
  const order: RestoreOrder = {
    kind: 'restore',
    ...base(stored),
    target: { hostId: benchHost, directory, port: await freePort(), user: 'mysql' },
  };
  const done = await timedJob<RestoreResult>(stand, stored, order);
  const pid = Number(await readFile(join(directory, 'mariadb.pid'), 'utf8'));
  process.kill(pid, 'SIGKILL');
  rmSync(directory, { recursive: true });
  return done;
}

async function tableRestore(
  stand: Stand,
  stored: Stored,
  live: MariadbServer,
  as: string,
): Promise<Restored> {
  const order: RestoreTablesOrder = {
    kind: 'restore-tables',
    ...base(stored),
    target: {
      hostId: benchHost,
      directory: join(stand.paths.run, 'scratch'),
      port: await freePort(),
      user: 'mysql',
    },
    member: { ...stored.order.member, socket: live.socket, datadir: live.datadir },
    tables: [{ ...wanted, as }],
    ancestors: [],
  };
  const done = await timedJob<RestoreTablesResult>(stand, stored, order);
  if (done.result.tables[0]?.rows !== rowsPerTable) throw new Error('another number of rows came back');
  return done;
}

/** One table of twenty, beside the live one: what it reads, and how much sooner it is there than all of them. */
export const tables: Bench = {
  name: 'tables',
  about: 'one table of 5 % of a database brought back, against a restore of the whole',
  run: async (stand) => {
    const alone = await startBenchServer(stand, 'alone', 0);
    await fillTables(alone);
    const logging = await startBenchServer(stand, 'logging', 0, {});
    const connection = await logging.connect();
    await connection.query('CREATE DATABASE bench');
    await connection.end();
    const stored = await storedBackup(stand, alone);
    const reading = await planned(stored);
    let restores = 0;
    const name = () => `restored_${restores++}`;
    const runs = await interleaved<Restored>(
      {
        'the whole': () => wholeRestore(stand, stored),
        'one table, imported': () => tableRestore(stand, stored, alone, name()),
        'one table, through the log': () => tableRestore(stand, stored, logging, name()),
      },
      stand.say,
      ({ seconds, given }) => `${seconds.toFixed(2)} s, ${(given / MiB).toFixed(0)} MiB read`,
    );
    await stored.sink.stop();
    for (const server of [alone, logging]) await server.stop();
    const seconds = (of: string) => median(runs[of]!.map((one) => one.seconds));
    const given = median(runs['one table, imported']!.map((one) => one.given));
    const allowed = reading.tables.storedBytes * 1.3 + reading.fixed.readBytes;
    return {
      table: [
        [`${count} tables, ${(stored.manifest.metrics.bytes / MiB).toFixed(0)} MiB`, 's', 'MiB read'],
        ...Object.keys(runs).map((of) => [
          of,
          seconds(of).toFixed(2),
          (median(runs[of]!.map((one) => one.given)) / MiB).toFixed(1),
        ]),
        ['of these the fixed set', '', (reading.fixed.readBytes / MiB).toFixed(1)],
        ['stored bytes of the table', '', (reading.tables.storedBytes / MiB).toFixed(1)],
      ],
      measures: [
        atMost('tables.read-of-allowed', given / allowed, 'ratio', 1),
        atLeast('tables.import-sooner', seconds('the whole') / seconds('one table, imported'), 'times', 5),
        atLeast(
          'tables.copy-sooner',
          seconds('the whole') / seconds('one table, through the log'),
          'times',
          5,
        ),
      ],
    };
  },
};
