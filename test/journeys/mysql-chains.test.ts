import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../contract/formats/manifest.ts';
import type { BackupRecord, Increment } from '../../contract/records/backup.ts';
import type { BackupOrder, RestoreOrder } from '../../contract/records/job.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import { planBackup } from '../../functions/backup/plan-backup.ts';
import { committedRecord } from '../../functions/backup/record.ts';
import type { MariadbServer } from '../../infra/local/mariadb.ts';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { chainFault } from '../../runner/job/read-chain.ts';
import { aCheckResult, aCluster, aRunningBackup } from '../doubles/records.ts';
import { type Pair, startPair, startProbe } from './support/mariadb-pair.ts';
import {
  contextIn,
  memberOf,
  orderOnTop,
  policy,
  restoreOrderFor,
  stopRestored,
  storedFilesOf,
  storedOf,
  type Taken,
  takeBackup,
} from './support/mysql-jobs.ts';

describe('a full and incrementals of a MariaDB replica, with writers running', () => {
  let pair: Pair;
  const taken: Taken[] = [];
  const restored: string[] = [];
  const engine = () => makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') });
  const apply = () => engine().restore.apply!;

  const orderOn = (links: readonly Taken[], change: Partial<Increment> = {}, server?: MariadbServer) =>
    orderOnTop(memberOf(server ?? pair.replica), links, change);

  const take = async (order: BackupOrder) => {
    const context = contextIn(pair.directory);
    const ready = await engine().preflight(order, context);
    if (ready.outcome === 'refused') throw Object.assign(new Error(ready.cause), { name: ready.name });
    return takeBackup(engine(), order, context);
  };

  /** What users and applications do between two backups. */
  const between = [
    [
      'INSERT INTO shop.orders (note, body) SELECT note, body FROM shop.orders LIMIT 500',
      "UPDATE shop.orders SET note = CONCAT(note, '+') WHERE id % 7 = 0",
      'INSERT INTO shop.aria VALUES (3)',
      'INSERT INTO shop.myisam VALUES (2)',
      'DROP TABLE shop.dropped',
      'RENAME TABLE shop.old_name TO shop.new_name',
      'INSERT INTO shop.new_name VALUES (2)',
      'TRUNCATE shop.emptied',
      'CREATE DATABASE later',
      'CREATE TABLE later.t (id INT PRIMARY KEY, body LONGBLOB)',
      "INSERT INTO later.t SELECT seq, REPEAT('l', 5000) FROM seq_1_to_1000",
    ],
    [
      'ALTER TABLE shop.orders ADD COLUMN more INT DEFAULT 5, ADD KEY (more), ALGORITHM=INPLACE',
      'ALTER TABLE shop.parts DROP PARTITION b',
      'RENAME TABLE shop.one TO shop.three, shop.two TO shop.one, shop.three TO shop.two',
      "UPDATE shop.one SET body = 'changed' WHERE id = 250",
      'INSERT INTO shop.words VALUES (2, "another sentence")',
      'DROP DATABASE gone',
      'OPTIMIZE TABLE shop.aria',
      'DELETE FROM shop.orders WHERE id % 5 = 0',
    ],
    [
      'DROP TABLE shop.aria',
      'CREATE TABLE shop.aria (id INT PRIMARY KEY, other INT) ENGINE=InnoDB',
      'INSERT INTO shop.aria VALUES (9, 9)',
      'CREATE USER somebody IDENTIFIED BY "secret"',
      'GRANT SELECT ON shop.* TO somebody',
      'INSERT INTO later.t VALUES (5000, REPEAT("z", 9000000))',
    ],
  ];

  beforeAll(async () => {
    pair = await startPair('chains');
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), body LONGBLOB, KEY (note))',
      "INSERT INTO shop.orders (note, body) SELECT CONCAT('note ', seq), REPEAT('y', 2000) FROM shop.seq_1_to_5000",
      'CREATE TABLE shop.parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)',
      'INSERT INTO shop.parts VALUES (1, 1), (2, 20)',
      'CREATE TABLE shop.aria (id INT PRIMARY KEY) ENGINE=Aria',
      'INSERT INTO shop.aria VALUES (1), (2)',
      'CREATE TABLE shop.myisam (id INT PRIMARY KEY) ENGINE=MyISAM',
      'INSERT INTO shop.myisam VALUES (1)',
      'CREATE TABLE shop.words (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY (t))',
      'INSERT INTO shop.words VALUES (1, "some words to be found")',
      'CREATE TABLE shop.one (id INT PRIMARY KEY, body VARCHAR(2000))',
      "INSERT INTO shop.one SELECT seq, REPEAT('1', 2000) FROM shop.seq_1_to_400",
      'CREATE TABLE shop.two LIKE shop.one',
      "INSERT INTO shop.two SELECT seq, REPEAT('2', 2000) FROM shop.seq_1_to_500",
      'CREATE TABLE shop.dropped (id INT PRIMARY KEY)',
      'CREATE TABLE shop.old_name (id INT PRIMARY KEY)',
      'INSERT INTO shop.old_name VALUES (1)',
      'CREATE TABLE shop.emptied (id INT PRIMARY KEY)',
      'INSERT INTO shop.emptied VALUES (1)',
      'CREATE DATABASE gone',
      'CREATE TABLE gone.t (id INT PRIMARY KEY) ENGINE=MyISAM',
      'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6))',
      'INSERT INTO shop.beat VALUES (0, NOW(6))',
    );
    const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
    taken.push(await take(orderOn([])));
    for (const statements of between) {
      await pair.sql(pair.primary, 'USE shop', ...statements);
      await pair.caughtUp();
      taken.push(await take(orderOn(taken)));
    }
    expect((await writer.stop()).commits).toBeGreaterThan(10);
  }, 120_000);
  afterEach(async () => {
    for (const directory of restored.splice(0)) await stopRestored(directory);
  });
  afterAll(async () => pair?.close());

  const target = async (name: string): Promise<RestoreOrder> => {
    const directory = join(pair.directory, 'restores', name);
    restored.push(directory);
    return restoreOrderFor(directory, await freePort());
  };
  const leftIn = (directory: string) => (existsSync(directory) ? readdirSync(directory).sort() : []);

  const bringBack = async (links: readonly Taken[], order: RestoreOrder) => {
    const [base, ...incrementals] = links as [Taken, ...Taken[]];
    const context = contextIn(pair.directory);
    await engine().restore.unpack(order, storedOf(base), context);
    await engine().restore.prepare(order, base.manifest, context);
    for (const link of incrementals) await apply()(order, storedOf(link), context);
    return engine().restore.start(order, links.at(-1)!.manifest, context);
  };

  it('each begins where the one before it ends, by the tool’s own word, and has what changed', () => {
    const [full, ...incrementals] = taken.map(({ manifest }) => manifest) as [Manifest, ...Manifest[]];
    expect(full.lsn?.from).toBe('0');
    for (const [i, { lsn, plan, tool, metrics }] of incrementals.entries()) {
      const parent = taken[i]!.manifest;
      expect(lsn?.from).toBe(parent.lsn?.to);
      expect(tool.arguments).toContain(`--incremental-lsn=${parent.lsn?.to}`);
      expect(plan).toMatchObject({ level: 'incremental', chain: 'b-0', parent: parent.backupId });
      expect(metrics.bytes).toBeLessThan(full.metrics.bytes);
      expect(metrics.tables).toBeGreaterThan(full.metrics.tables - 3);
    }
    expect(
      chainFault(
        taken.map(({ manifest }) => manifest),
        'b-3',
      ),
    ).toBeUndefined();
    expect(taken.every(({ manifest }) => manifest.comparison === 'exact')).toBe(true);
  });

  it('an index maps the pages of an incremental to their tables', () => {
    const files = taken[1]!.rows.flatMap((row) => (row.t === 'file' ? [row.path] : []));
    expect(files).toEqual(expect.arrayContaining(['shop/orders.ibd.delta', 'shop/orders.ibd.meta']));
    const chunks = taken[1]!.rows.flatMap((row) => (row.t === 'chunk' ? [row.path] : []));
    expect(chunks).toContain('shop/orders.ibd.delta');
    expect(files).not.toContain('shop/orders.ibd');
  });

  it.each([
    ['the last', 4],
    ['a middle one', 3],
    ['the first', 2],
  ])('%s comes back with equal data, and nothing of its steps stays', async (name, links) => {
    const order = await target(name.replaceAll(' ', '-'));
    const manifest = taken[links - 1]!.manifest;
    const instance = await bringBack(taken.slice(0, links), order);
    expect(compareFingerprints(manifest, instance.fingerprint)).toMatchObject({
      comparison: 'exact',
      differences: [],
    });
    expect(leftIn(order.target.directory).filter((file) => file.startsWith('.holdfast'))).toEqual([
      '.holdfast-tmp',
    ]);
    const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
    const [rows] = await connection.query('SHOW TABLES FROM shop');
    const names = (rows as Record<string, string>[]).map((row) => Object.values(row)[0]);
    expect(names).toContain('new_name');
    expect(names).not.toContain('old_name');
    expect(names).not.toContain('dropped');
    await connection.end();
  });

  it('single tables come back out of it, whatever they were called, exchanged, made and remade meanwhile', async () => {
    const tables = ['orders', 'new_name', 'parts', 'words', 'one', 'aria']
      .map((table) => ({ schema: 'shop', table, as: `${table}_back` }))
      .concat({ schema: 'later', table: 't', as: 't_back' });
    const links = taken.slice(0, -1).map((link) => async () => storedFilesOf(link));
    const last = taken.at(-1)!;
    const { target: place, ...order } = await target('tables');
    const wanted: RestoreTablesOrder = {
      ...order,
      kind: 'restore-tables',
      target: { ...place, directory: join(pair.directory, 'scratch') },
      member: memberOf(pair.primary),
      tables,
      ancestors: [],
    };
    const context = contextIn(pair.directory);
    expect(await engine().tables!.preflight(wanted, last.manifest, context)).toEqual({ outcome: 'ready' });
    const restore = (below: typeof links) =>
      engine().tables!.restore(wanted, storedFilesOf(last), context, undefined, (_, step) => step(), below);
    const answer = await restore(links);
    expect(answer.comparison).toBe('exact');
    const recorded = new Map(
      last.manifest.fingerprint.tables.map((of) => [`${of.schema}.${of.table}`, of.rows]),
    );
    expect(answer.tables.map(({ rows }) => rows)).toEqual(
      tables.map(({ schema, table }) => recorded.get(`${schema}.${table}`)),
    );
    expect(answer.bytes).toBeLessThan(taken.reduce((sum, { bytes }) => sum + bytes.length, 0));
    expect(await pair.sql(pair.primary, 'SELECT COUNT(*) AS n, MIN(body) AS b FROM shop.one_back')).toEqual([
      { n: 500, b: '2'.repeat(2000) },
    ]);
    expect(leftIn(wanted.target.directory)).toEqual([]);
    const unnumbered = { ...taken[1]!, rows: taken[1]!.rows.map((row) => ({ ...row, space: undefined })) };
    await pair.sql(pair.primary, 'DROP TABLE shop.one_back');
    await expect(
      restore([links[0]!, async () => storedFilesOf(unnumbered), links[2]!]),
    ).rejects.toMatchObject({
      name: 'Restore.NotYet',
    });
  });

  it('M19: a link that lost a file, a link left out and a link twice end the restore, and nothing half done stays', async () => {
    const context = contextIn(pair.directory);
    const cases: [string, Taken, string][] = [
      ['left-out', taken[2]!, 'Restore.Prepare'],
      ['twice', taken[0]!, 'Restore.Prepare'],
      [
        'cut',
        { ...taken[1]!, bytes: taken[1]!.bytes.subarray(0, taken[1]!.bytes.length - 1000) },
        'Restore.StreamDamaged',
      ],
    ];
    for (const [name, link, error] of cases) {
      const order = await target(name);
      await engine().restore.unpack(order, storedOf(taken[0]!), context);
      await engine().restore.prepare(order, taken[0]!.manifest, context);
      await expect(apply()(order, storedOf(link), context)).rejects.toMatchObject({
        name: expect.stringContaining(error),
      });
      expect(leftIn(order.target.directory)).toEqual([]);
    }
  }, 60_000);

  it.each<[string, Partial<Increment>, RegExp]>([
    [
      'server',
      { origin: { uuid: 'x', serverId: 102, datadir: '/', files: '1:1' } },
      /the server was x when the parent was taken/,
    ],
    ['version of the tool (M23)', { toolVersion: '10.11.1' }, /the version of the tool was 10.11.1/],
  ])('is not begun where the %s is another one than the parent’s', async (_, change, why) => {
    await expect(take(orderOn(taken, change))).rejects.toMatchObject({
      name: 'Backup.ChainBroken',
      message: expect.stringMatching(why),
    });
  });

  it('is no backup where the tool began elsewhere, or the log of the server is behind the parent’s end', async () => {
    const context = contextIn(pair.directory);
    await expect(
      takeBackup(engine(), orderOn(taken, { fromLsn: '99999999999' }), context),
    ).rejects.toMatchObject({
      name: 'Backup.ChainBroken',
      message: expect.stringMatching(
        /the log of the server stands at LSN \d+ \(\d+\), before the 99999999999/,
      ),
    });
    expect(await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS')).toMatchObject([
      { Slave_SQL_Running: 'Yes' },
    ]);
  });

  it('M20: another member of the cluster does not go on with the chain', async () => {
    const order = orderOn(taken, {}, pair.primary);
    await expect(take(order)).rejects.toMatchObject({
      name: 'Backup.ChainBroken',
      message: expect.stringContaining('when the parent was taken and is'),
    });
  });

  it('ends with a failover: what was the replica takes no incremental as a primary, and the plan says so', async () => {
    const history = taken.map(({ manifest }, n): BackupRecord => {
      const ordered = aRunningBackup({
        clusterId: 'shop',
        backupId: manifest.backupId,
        level: manifest.plan.level,
      });
      const seen = { manifestSha256: '0'.repeat(64), manifestVersionId: null, attempt: 1, extra: false };
      const startedAt = `2026-11-23T0${n}:00:00.000Z`;
      const { memberId, site } = manifest;
      return { ...committedRecord(ordered, manifest, seen), state: 'verified', startedAt, memberId, site };
    });
    const plan = async () => {
      const members = [memberOf(pair.primary), memberOf(pair.replica)];
      const inspections = [];
      for (const member of members) {
        const order = {
          kind: 'check' as const,
          engine: 'mysql' as const,
          flavour: 'mariadb' as const,
          member,
        };
        const seen = await engine().inspect(order, contextIn(pair.directory));
        const result = { ...aCheckResult(member.memberId), member: seen };
        inspections.push({ memberId: member.memberId, result });
      }
      const answer = planBackup({
        cluster: { ...aCluster().document, clusterId: 'shop', members },
        policy: { ...policy, incrementals: { most: 6, waitMinutes: 0 } },
        site: taken[0]!.manifest.site,
        inspections,
        history: history.toReversed(),
        slot: null,
        now: new Date(),
        ids: { backupId: 'b-new', jobId: 'job-new' },
        physicalHostOf: (hostId) => hostId,
      });
      if (answer.outcome !== 'planned') throw new Error(answer.error.cause);
      return answer.order;
    };
    const before = await plan();
    expect(before.plan).toMatchObject({ level: 'incremental', parent: 'b-3', chain: 'b-0', role: 'replica' });
    let promoted: Promise<unknown> | undefined;
    const promoting = {
      write: async () => {
        promoted ??= pair.sql(pair.replica, 'STOP SLAVE', 'RESET SLAVE ALL');
        await promoted;
      },
    };
    await expect(
      takeBackup(engine(), orderOn(taken), contextIn(pair.directory), promoting),
    ).rejects.toMatchObject({
      name: 'Member.Ineligible',
      message: expect.stringContaining('was a replica when the backup began and is a primary now'),
    });
    await expect(take(before)).rejects.toMatchObject({
      name: 'Member.Ineligible',
      message: expect.stringContaining('it was a replica when the backup was planned and is a primary now'),
    });
    const after = await plan();
    expect(after.plan).toMatchObject({ level: 'full', parent: null, chain: 'b-new' });
    expect(after.plan.reasons.join()).toContain('member replica was a replica and is a primary now');
  });
});
