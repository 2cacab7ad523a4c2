import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tableKey } from '../../contract/mysql-files/relations.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { formatClientOptions } from '../../runner/engines/mysql/option-file.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import { makeStartServer } from '../../runner/host/start-server.ts';
import { installDumper } from '../doubles/mydumper/misbehaviour.ts';
import { storeLog } from '../doubles/stored-log.ts';
import { realDumper } from '../servers/mydumper.ts';
import type { MysqlServer } from '../servers/mysql.ts';
import { type MysqlPair, startMysqlPair } from '../servers/mysql-pair.ts';
import { unstable } from '../servers/unstable.ts';
import { logFilesOf, planned } from './support/archived.ts';
import { startProbe } from './support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  restoreOrderFor,
  stopRestored,
  storedOf,
  type Taken,
  takeBackup,
} from './support/mysql-jobs.ts';
import { storeBackupInMemory } from './support/stored-jobs.ts';

const others = await unstable();

describe.skipIf(others.missing !== null)('a logical backup of a real MySQL', () => {
  const { mysql } = others as Extract<typeof others, { missing: null }>;
  const real = realDumper();
  /** What the double's own tool would leave out. */
  const known = (words: string) => (real === undefined ? '' : ` ${words}`);
  const password = String.raw`of "the" \tests # ; a=b [x]`;
  let pair: MysqlPair;
  let path: string;
  const restored: string[] = [];
  const engine = () =>
    makeMysqlEngine({
      stateDirectory: join(pair.directory, 'state'),
      spoolDirectory: join(pair.directory, 'spool'),
      startServer: makeStartServer(path),
    });
  const context = () => contextIn(pair.directory, { runChild: makeRunChild({ path }) });

  beforeAll(async () => {
    pair = await startMysqlPair('mysql-9-logical', mysql.path, { 'event-scheduler': 'OFF' });
    const tool = real ?? installDumper(join(pair.directory, 'tool'), { version: '1.0.1', how: null });
    path = `${tool}:${mysql.path}`;
    mkdirSync(join(pair.directory, 'spool/dumps'), { recursive: true });
    const options = formatClientOptions({ user: 'backup', password });
    writeFileSync(join(pair.directory, 'backup.cnf'), options, { mode: 0o600 });
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      `CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), body LONGBLOB, at TIMESTAMP(3) NULL,
         len INT AS (CHAR_LENGTH(note)) VIRTUAL, kept INT AS (CHAR_LENGTH(note) * 2) STORED, made DATETIME${known('DEFAULT (NOW())')},
         j JSON, g GEOMETRY, p POINT NOT NULL SRID 4326, b BIT(7), e ENUM('a','ö'), d DOUBLE,
         KEY (note), FULLTEXT KEY (note), KEY upper_note ((UPPER(note))), SPATIAL KEY (p), KEY down (id DESC) INVISIBLE,
         CHECK (d < 1), CONSTRAINT lax CHECK (d > 5) NOT ENFORCED) COMMENT='it''s ; "odd"'`,
      `INSERT INTO shop.orders (note, body, at, p, j, g, b, e, d) VALUES ('first', UNHEX('00FF27225C0A'), '1970-01-01 00:00:01.5', ST_SRID(POINT(1, 2), 4326), '{"a": "\\\\"b", "n": 1.0, "z": null}', ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))'), b'1010', 'ö', 0.1e-300),
         ('"),(', NULL, NULL, ST_SRID(POINT(0, 0), 4326), NULL, NULL, NULL, NULL, -1.7976931348623157e308)`,
      ...Array.from(
        { length: 8 },
        () => 'INSERT INTO shop.orders (note, body, p) SELECT note, body, p FROM shop.orders',
      ),
      'CREATE TABLE shop.few (id INT PRIMARY KEY, o BIGINT, FOREIGN KEY (o) REFERENCES shop.orders (id))',
      'INSERT INTO shop.few VALUES (1, 1)',
      'CREATE DATABASE `0 odd-b` CHARACTER SET latin1 COLLATE latin1_bin',
      `CREATE TABLE \`0 odd-b\`.\`a-b c\` (seen INT, hidden VARCHAR(20) CHARACTER SET sjis DEFAULT 'x'${known('INVISIBLE')}, \`col"u\\mn ü\` VARCHAR(9),
         u INT UNSIGNED ZEROFILL, dc DECIMAL(30,10), tm TIME(3), y YEAR, s SET('x','y'), bi BINARY(4))`,
      `INSERT INTO \`0 odd-b\`.\`a-b c\` (seen, hidden, \`col"u\\mn ü\`, u, dc, tm, y, s, bi)
         VALUES (1, '日本', 'ü', 7, -12345678901234567890.1234567891, '-838:59:59', 2155, 'x,y', X'00270D0A'), (2, X'8190', NULL, 0, 0, 0, NULL, '', '')`,
      'CREATE TABLE shop.parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)',
      'INSERT INTO shop.parts VALUES (1, 1), (2, 20)',
      'CREATE TABLE shop.instant (a INT)',
      ...(real === undefined
        ? []
        : [
            'CREATE TABLE shop.vectors (id INT PRIMARY KEY, v VECTOR(3))',
            "INSERT INTO shop.vectors VALUES (1, TO_VECTOR('[1,-2.5,3e-7]')), (2, NULL)",
          ]),
      'INSERT INTO shop.instant VALUES (1)',
      "ALTER TABLE shop.instant ADD COLUMN b VARCHAR(9) DEFAULT 'old', ALGORITHM=INSTANT",
      'CREATE TABLE shop.empty (a INT) DEFAULT CHARACTER SET ascii',
      `SET SESSION sql_generate_invisible_primary_key=${real === undefined ? 'OFF' : 'ON'}, sql_mode=''`,
      "CREATE TABLE shop.keyless (v VARCHAR(9), day DATE DEFAULT '0000-00-00')",
      "INSERT INTO shop.keyless (v) VALUES ('a'), ('b')",
      'CREATE VIEW shop.b AS SELECT MAX(id) AS id FROM shop.orders',
      'CREATE FUNCTION shop.plus(a INT) RETURNS INT DETERMINISTIC RETURN a + 1',
      'CREATE VIEW shop.a AS SELECT shop.plus(id) AS id FROM shop.b',
      'CREATE TRIGGER shop.mark BEFORE INSERT ON shop.few FOR EACH ROW BEGIN SET NEW.id = NEW.id; END',
      'CREATE TRIGGER shop.earlier BEFORE INSERT ON shop.few FOR EACH ROW PRECEDES mark SET NEW.id = NEW.id',
      "SET SESSION sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT'",
      `CREATE DEFINER=nobody@nowhere PROCEDURE shop.odd(IN a INT) COMMENT 'c' BEGIN SELECT 'x;' || 'a'; /* $$ ; */ END`,
      'CREATE EVENT shop.daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.few',
      'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6) NULL)',
      'INSERT INTO shop.beat VALUES (0, NOW(6))',
      `CREATE USER buyer@localhost IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 5 ACCOUNT LOCK COMMENT 'it''s'`,
      "ALTER USER buyer@localhost IDENTIFIED BY 'y' RETAIN CURRENT PASSWORD",
      'GRANT UPDATE (note) ON shop.orders TO buyer@localhost',
      'GRANT EXECUTE ON PROCEDURE shop.odd TO buyer@localhost WITH GRANT OPTION',
      'GRANT BACKUP_ADMIN ON *.* TO buyer@localhost',
      `CREATE USER backup@localhost IDENTIFIED BY '${password.replaceAll('\\', '\\\\')}'`,
      'GRANT BACKUP_ADMIN, RELOAD, PROCESS, SELECT, LOCK TABLES, REPLICATION CLIENT, SHOW VIEW, EVENT, TRIGGER, REPLICATION_SLAVE_ADMIN ON *.* TO backup@localhost',
      'CREATE ROLE clerk',
      'GRANT SELECT ON shop.* TO clerk',
      'GRANT clerk TO buyer@localhost',
      'SET DEFAULT ROLE clerk TO buyer@localhost',
    );
    await pair.caughtUp();
  });
  afterEach(async () => {
    for (const directory of restored.splice(0)) await stopRestored(directory);
    expect(readdirSync(join(pair.directory, 'spool/dumps'))).toEqual([]);
  });
  afterAll(async () => pair?.close());

  const orderFor = (server: MysqlServer) => {
    const member = memberOf(server, { kind: 'file', path: join(pair.directory, 'backup.cnf') });
    const order = backupOrderFor(member, { flavour: 'mysql' });
    return { ...order, plan: { ...order.plan, method: 'logical' as const, spoolBytes: 256 * 1024 * 1024 } };
  };

  const takeFrom = async (role: 'replica' | 'primary') => {
    const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
    const order = orderFor(pair[role]);
    expect(await engine().preflight(order, context())).toEqual({ outcome: 'ready' });
    const taken = await takeBackup(engine(), order, context());
    await writer.stop();
    await pair.caughtUp();
    expect(taken.manifest.comparison).toBe('exact');
    expect(taken.manifest.position).toMatchObject({ flavour: 'mysql', gtid: expect.stringContaining(':') });
    return taken;
  };

  it('M06 of a primary holds commits for a moment only, and is exact although others write', async () => {
    const { manifest } = await takeFrom('primary');
    expect(manifest.metrics.lockSeconds).toBeGreaterThan(0);
    expect(manifest.metrics.lockSeconds).toBeLessThan(5);
  });

  it('M05 M04 tables of a dump come beside the live ones, through the log, and the replica has them too; as they were then, or at a point behind it', async () => {
    const job = await storeBackupInMemory(engine(), orderFor(pair.replica), context());
    const wanted = [
      { schema: 'shop', table: 'orders' },
      { schema: 'shop', table: 'few' },
      { schema: 'shop', table: 'parts' },
      { schema: 'shop', table: 'keyless' },
      { schema: '0 odd-b', table: 'a-b c' },
    ];
    const restore: RestoreTablesOrder = {
      ...restoreOrderFor(join(pair.directory, 'scratch'), await freePort()),
      kind: 'restore-tables',
      flavour: 'mysql',
      member: memberOf(pair.primary),
      tables: wanted.map((table) => ({ ...table, as: `${table.table} again` })),
      ancestors: [],
    };
    const tables = engine().tables!;
    expect(await tables.preflight(restore, job.manifest, context())).toEqual({ outcome: 'ready' });
    const { stored } = await job.open();
    const back = await tables.restore(restore, stored, context(), undefined, (_, step) => step());
    expect(back).toMatchObject({ comparison: 'exact', position: job.manifest.position });
    const recorded = new Map(job.manifest.fingerprint.tables.map((of) => [tableKey(of), of.rows]));
    expect(back.tables.map(({ rows }) => rows)).toEqual(wanted.map((of) => recorded.get(tableKey(of))));
    await pair.caughtUp();
    const found = await pair.sql(
      pair.replica,
      "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_NAME LIKE '% again'",
    );
    expect(found).toHaveLength(wanted.length);
    expect(existsSync(restore.target.directory)).toBe(false);
    const names = restore.tables.map(({ schema, as }) => `\`${schema}\`.\`${as}\``);
    await pair.sql(pair.primary, `DROP TABLE ${names.join(', ')}`);
    await pair.caughtUp();

    // M04: as they were at a point of the log behind the dump.
    const few = restore.tables.slice(1, 2);
    const contentOf = (name: string) => pair.sql(pair.primary, `SELECT * FROM shop.\`${name}\` ORDER BY 1`);
    await pair.sql(pair.primary, 'DELETE FROM shop.few LIMIT 1', 'CREATE DATABASE side');
    const truth = await contentOf('few');
    const [last] = await pair.sql(pair.primary, 'SELECT @@GLOBAL.gtid_executed AS g');
    const executed = String(last?.g).replace(/\s/g, '');
    await pair.sql(pair.primary, 'DROP DATABASE side', 'FLUSH BINARY LOGS');
    const segments = storeLog(logFilesOf(pair.primary), 64 * 1024, { flavour: 'mysql' });
    const until = { gtid: executed.replace(/^(.*:)(?:\d+-)?(\d+)$/, '$1$2') };
    const log = await planned(segments, job.manifest.position as MysqlPosition, until, pair.directory);
    const again = { ...restore, tables: few, ancestors: wanted.slice(0, 1) };
    const then = await tables.restore(again, (await job.open()).stored, context(), log, (_, step) => step());
    expect(then).toMatchObject({ comparison: 'exact', position: { gtid: executed } });
    expect(await contentOf('few again')).toEqual(truth);
    await pair.sql(pair.primary, 'DROP TABLE shop.`few again`');
    await pair.caughtUp();
  });

  const bringBack = async ({ manifest, ...taken }: Taken, name: string) => {
    const directory = join(pair.directory, 'restores', name);
    restored.push(directory);
    const restore = { ...restoreOrderFor(directory, await freePort()), flavour: 'mysql' as const };
    expect(await engine().restore.preflight(restore, manifest, context())).toEqual({ outcome: 'ready' });
    await engine().restore.unpack(restore, storedOf({ manifest, ...taken }), context());
    await engine().restore.prepare(restore, manifest, context());
    const instance = await engine().restore.start(restore, manifest, context());
    expect(compareFingerprints(manifest, instance.fingerprint).differences).toEqual([]);
    return instance;
  };

  // The double dumps by the other line, whose snapshots are proven elsewhere.
  it.each(realDumper() === undefined ? (['replica'] as const) : (['replica', 'primary'] as const))(
    'M08 M09 of a %s is exact while the primary is written to, and everything comes back',
    async (role) => {
      // Without versions of its rows, which stands still where nobody writes.
      if (role === 'replica') {
        await pair.sql(
          pair.primary,
          'CREATE TABLE shop.old (a INT, v VARCHAR(9) CHARACTER SET latin1) ENGINE=MyISAM',
          "INSERT INTO shop.old VALUES (1, 'é')",
        );
        await pair.caughtUp();
      }
      const taken = await takeFrom(role);
      if (role === 'replica') await pair.sql(pair.primary, 'DROP TABLE shop.old');
      await bringBack(taken, role);
    },
  );
});
