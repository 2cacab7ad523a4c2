import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyingChannels, makeApplier } from '../../runner/engines/mysql/applier.ts';
import { readTableNames } from '../../runner/engines/mysql/expected-tables.ts';
import { openFingerprint } from '../../runner/engines/mysql/fingerprint/take.ts';
import { inspectMember } from '../../runner/engines/mysql/inspect.ts';
import { readRelations } from '../../runner/engines/mysql/relations.ts';
import { openSession, type Session, withSession } from '../../runner/engines/mysql/session.ts';
import type { MysqlServer } from '../servers/mysql.ts';
import { type MysqlPair, startMysqlPair } from '../servers/mysql-pair.ts';
import { unstable } from '../servers/unstable.ts';
import { contextIn, memberOf, policy } from './support/mysql-jobs.ts';

const others = await unstable();

describe.skipIf(others.missing !== null)('a real MySQL is understood', () => {
  const { mysql } = others as Extract<typeof others, { missing: null }>;
  let pair: MysqlPair;
  const signal = new AbortController().signal;
  const login = (server: MysqlServer) => ({
    user: 'root',
    password: undefined,
    address: { socket: server.socket },
  });
  const inSession = <T>(server: MysqlServer, work: (session: Session) => Promise<T>) =>
    withSession(login(server), signal, work);
  const inspected = (server: MysqlServer, flavour: 'mysql' | 'percona' = 'mysql') =>
    inspectMember({ member: memberOf(server), policy, flavour }, contextIn(pair.directory), pair.directory);

  beforeAll(async () => {
    pair = await startMysqlPair('mysql-9', mysql.path);
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      `CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), body LONGBLOB,
         hidden INT INVISIBLE DEFAULT 7, len INT AS (CHAR_LENGTH(note)) VIRTUAL, KEY (note), FULLTEXT KEY (note))`,
      "INSERT INTO shop.orders (note, body) VALUES ('first', REPEAT('y', 1000)), (NULL, NULL), ('', '')",
      ...Array.from(
        { length: 6 },
        () => 'INSERT INTO shop.orders (note, body) SELECT note, body FROM shop.orders',
      ),
      'CREATE DATABASE `odd ``?b`',
      `CREATE TABLE \`odd \`\`?b\`.\`t?'"@x\` (id INT PRIMARY KEY, g GEOMETRY, b BIT(7), j JSON, d DOUBLE, v VECTOR(3), ts TIMESTAMP, e ENUM('a'))`,
      `INSERT INTO \`odd \`\`?b\`.\`t?'"@x\` VALUES (1, POINT(1,2), b'1010', '{"a":1}', 1.1, STRING_TO_VECTOR('[1,2,3]'), NOW(), 'a'), (2,NULL,NULL,NULL,NULL,NULL,NULL,NULL)`,
      'CREATE TABLE shop.parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)',
      'INSERT INTO shop.parts VALUES (1, 1), (2, 20)',
      'CREATE TABLE shop.old (id INT PRIMARY KEY) ENGINE=MyISAM',
      'INSERT INTO shop.old VALUES (1), (2)',
      "CREATE TABLESPACE many ADD DATAFILE 'many.ibd'",
      'CREATE TABLE shop.shared (id INT PRIMARY KEY) TABLESPACE many',
      'CREATE TABLE shop.`lines/?` (id INT PRIMARY KEY, o BIGINT, FOREIGN KEY (o) REFERENCES shop.orders (id))',
      'CREATE VIEW shop.latest AS SELECT MAX(id) AS id FROM shop.orders',
      'CREATE PROCEDURE shop.nothing(IN a INT) SELECT a',
      'CREATE FUNCTION shop.one() RETURNS INT DETERMINISTIC RETURN 1',
      'CREATE TRIGGER shop.mark BEFORE INSERT ON shop.parts FOR EACH ROW SET NEW.y = NEW.y',
      'CREATE EVENT shop.daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.shared',
      "CREATE USER buyer@localhost IDENTIFIED BY 'x'",
      'CREATE ROLE clerk',
      'GRANT SELECT ON shop.* TO clerk',
      'GRANT clerk TO buyer@localhost',
    );
    await pair.caughtUp();
  });
  afterAll(async () => pair?.close());

  it('is inspected: role, sizes, position, identity, and why it is not backed up', async () => {
    const [uuid] = await pair.sql(pair.primary, 'SELECT @@server_uuid AS uuid');
    const primary = await inspected(pair.primary);
    expect(primary).toMatchObject({
      reachable: true,
      role: 'primary',
      serverVersion: mysql.version,
      serverUuid: uuid?.uuid,
      serverId: 401,
      logsBinary: true,
      outsideDatadir: [],
      toolVersion: null,
      position: { kind: 'mysql', flavour: 'mysql', gtid: expect.stringMatching(/^[0-9a-f-]{36}:1-\d+$/) },
    });
    // mysql.ibd and ibdata1 are 39 MiB, undo and redo are told apart.
    expect(primary.dataBytes).toBeGreaterThan(39 * 1024 ** 2);
    expect(primary.dataBytes).toBeLessThan(50 * 1024 ** 2);
    expect(primary.undoBytes).toBe(32 * 1024 ** 2);
    expect(primary.redoBytes).toBe(64 * 1024 ** 2);
    expect(primary.redoToCopyBytes).toBeLessThan(64 * 1024 ** 2);
    expect(primary.ineligible.join()).toContain('install XtraBackup 9.7');
    const replica = await inspected(pair.replica);
    expect(replica).toMatchObject({
      role: 'replica',
      lagSeconds: expect.any(Number),
      position: { gtid: primary.position?.gtid },
    });
    expect((await inspected(pair.primary, 'percona')).ineligible.join()).toContain('document says percona');
  });

  it('names every right that an account lacks, and is content with just what is needed', async () => {
    await pair.sql(
      pair.primary,
      "CREATE USER backup@localhost IDENTIFIED BY 'of the tests'",
      'GRANT SELECT, PROCESS, RELOAD ON *.* TO backup@localhost',
    );
    const seen = () =>
      inspectMember(
        {
          member: memberOf(pair.primary, { kind: 'secret', name: 'holdfast/mi-0abc/backup' }),
          policy,
          flavour: 'mysql',
        },
        contextIn(pair.directory, {
          readSecret: async () => JSON.stringify({ user: 'backup', password: 'of the tests' }),
        }),
        pair.directory,
      );
    const lacking = await seen();
    expect(lacking.reachable).toBe(true);
    expect(lacking.ineligible).toEqual([
      'the account lacks BACKUP_ADMIN, LOCK TABLES, REPLICATION CLIENT, SHOW VIEW, EVENT, TRIGGER ON *.*',
    ]);
    await pair.sql(
      pair.primary,
      'GRANT BACKUP_ADMIN, LOCK TABLES, REPLICATION CLIENT, SHOW VIEW, EVENT, TRIGGER ON *.* TO backup@localhost',
    );
    const content = await seen();
    expect(content.ineligible.join()).not.toContain('lacks');
    expect(content.position?.gtid).not.toBe('');
    await pair.sql(pair.primary, 'DROP USER backup@localhost');
    await pair.caughtUp();
  });

  it('M20 a stopped channel, a delayed one and a filter make a replica ineligible', async () => {
    await pair.sql(pair.replica, 'STOP REPLICA SQL_THREAD');
    expect((await inspected(pair.replica)).ineligible.join()).toContain('not running (applier)');
    await pair.sql(
      pair.replica,
      'CHANGE REPLICATION SOURCE TO SOURCE_DELAY=60',
      'CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=(nothing)',
      'START REPLICA SQL_THREAD',
    );
    const { ineligible } = await inspected(pair.replica);
    expect(ineligible.join()).toContain('delayed by 60 s');
    expect(ineligible.join()).toContain('Replicate_Ignore_DB=nothing');
    await pair.sql(
      pair.replica,
      'STOP REPLICA SQL_THREAD',
      'CHANGE REPLICATION SOURCE TO SOURCE_DELAY=0',
      'CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=()',
      'START REPLICA SQL_THREAD',
    );
  });

  it('names the tables that have a file of their own, whatever they are called', async () => {
    const names = await inSession(pair.primary, readTableNames);
    const users = names.filter(({ db }) => db !== 'mysql' && db !== 'sys');
    expect(users).toEqual(
      expect.arrayContaining([
        { db: 'shop', table: 'orders' },
        { db: 'shop', table: 'parts' },
        { db: 'shop', table: 'old' },
        { db: 'odd `?b', table: `t?'"@x` },
      ]),
    );
    expect(users).toHaveLength(5);
    expect(await inSession(pair.primary, readRelations)).toEqual([
      { schema: 'shop', table: 'lines/?', references: [{ schema: 'shop', table: 'orders' }] },
      { schema: 'shop', table: 'orders', fullText: expect.stringMatching(/^[0-9a-f]{16}$/) },
    ]);
  });

  it('M08 has one fingerprint on a primary at rest and on a replica whose applier stands', async () => {
    await pair.caughtUp();
    const [primary, channels] = [
      await openSession(login(pair.primary), signal),
      await inSession(pair.replica, applyingChannels),
    ];
    expect(channels).toEqual(['']);
    const applier = makeApplier(channels, login(pair.replica), () => {});
    const replica = await openSession(login(pair.replica), signal);
    await applier.stop(replica);
    const ofPrimary = await (
      await openFingerprint(primary, { applied: false, holdTables: false, others: true })
    ).finish();
    const open = await openFingerprint(replica, { applied: true, like: ofPrimary, holdTables: true });
    await applier.start();
    const ofReplica = await open.finish();
    await primary.close();
    await replica.close();
    expect(ofReplica.position).toEqual({
      ...ofPrimary.position,
      file: expect.any(String),
      offset: expect.any(Number),
    });
    expect(ofReplica.tables).toEqual(ofPrimary.tables);
    expect(ofReplica.schemaSha256).toBe(ofPrimary.schemaSha256);
    expect(ofPrimary.tables.map(({ table, rows }) => [table, rows])).toEqual([
      [`t?'"@x`, 2],
      ['lines/?', 0],
      ['old', 2],
      ['orders', 192],
      ['parts', 2],
      ['shared', 0],
    ]);
    await pair.sql(
      pair.primary,
      'UPDATE shop.orders SET hidden = 8 WHERE id = 1',
      'GRANT INSERT ON shop.* TO clerk',
    );
    const changed = await inSession(pair.primary, async (session) =>
      (
        await openFingerprint(session, { applied: false, like: ofPrimary, holdTables: false, others: true })
      ).finish(),
    );
    expect(
      changed.tables.filter((table, i) => table.checksum !== ofPrimary.tables[i]?.checksum),
    ).toHaveLength(1);
    expect(changed.accountsSha256).not.toBe(ofPrimary.accountsSha256);
    expect(changed.schemaSha256).toBe(ofPrimary.schemaSha256);
    await pair.sql(pair.primary, 'ALTER EVENT shop.daily COMMENT "twice"', 'DROP FUNCTION shop.one');
    const defined = await inSession(pair.primary, async (session) =>
      (
        await openFingerprint(session, { applied: false, like: ofPrimary, holdTables: false, others: true })
      ).finish(),
    );
    expect(defined.schemaSha256).not.toBe(ofPrimary.schemaSha256);
  });

  it('M08 says no position for a snapshot that nobody can pin, and the right one as soon as the server rests', async () => {
    const busy = await pair.primary.connect();
    await busy.query('CREATE TABLE shop.beat (n INT PRIMARY KEY)');
    await busy.query('INSERT INTO shop.beat VALUES (0)');
    let on = true;
    const writers = Promise.all(
      Array.from({ length: 3 }, async () => {
        const connection = await pair.primary.connect();
        while (on) await connection.query('UPDATE shop.beat SET n = n + 1');
        await connection.end();
      }),
    );
    const moving = await inSession(pair.primary, (session) => session.words.openSnapshot(session, false));
    on = false;
    await writers;
    await busy.end();
    const [row] = await pair.sql(pair.primary, 'SELECT @@GLOBAL.gtid_executed AS gtid');
    const resting = await inSession(pair.primary, (session) => session.words.openSnapshot(session, false));
    expect(resting?.gtid).toBe(String(row?.gtid).replace(/\s/g, ''));
    if (moving !== null) expect(moving.gtid).not.toBe(resting?.gtid);
  });
});
