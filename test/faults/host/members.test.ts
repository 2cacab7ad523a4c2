import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { escape as quote } from 'mysql2/promise';
import { afterAll, beforeAll, expect } from 'vitest';
import type { MemberInspection } from '../../../contract/records/job.ts';
import { planBackup } from '../../../functions/backup/plan-backup.ts';
import { startServer } from '../../../infra/local/mariadb.ts';
import { makeMysqlEngine } from '../../../runner/engines/mysql/engine.ts';
import { example } from '../../doubles/examples.ts';
import { type Pair, startPair } from '../../journeys/support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  policy,
  takeBackup,
} from '../../journeys/support/mysql-jobs.ts';
import { faultTest } from '../fault-test.ts';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair('members');
  await pair.sql(pair.primary, 'CREATE DATABASE shop', 'CREATE TABLE shop.t (id INT PRIMARY KEY)');
  await pair.caughtUp();
});
afterAll(async () => pair?.close());

const engine = () => makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') });
const strict = { ...policy, maxReplicaLagSeconds: 0 };

const inspect = () =>
  engine().inspect(
    {
      kind: 'check',
      engine: 'mysql',
      flavour: 'mariadb',
      member: memberOf(pair.replica),
      policy: strict,
    },
    contextIn(pair.directory),
  );

/** What planning says of a cluster whose one member was found like this. */
function planFor(member: MemberInspection) {
  const { document } = example('cluster');
  const check = example('result-check');
  return planBackup({
    cluster: { ...document, members: [memberOf(pair.replica)] },
    policy: strict,
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    inspections: [{ memberId: 'replica', result: { ...check, member } }],
    history: [],
    slot: null,
    now: new Date(),
    ids: { backupId: 'b-1', jobId: 'j-1' },
    physicalHostOf: (hostId) => hostId,
  });
}

const statusOf = async () => (await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS'))[0] ?? {};
const onReplica = (...statements: string[]) => pair.sql(pair.replica, ...statements);

const faults: {
  how: string;
  inject: () => Promise<unknown>;
  seen: (status: Record<string, unknown>) => boolean;
  undo: () => Promise<unknown>;
  reason: RegExp;
}[] = [
  {
    how: 'stopped',
    inject: () => onReplica('STOP SLAVE SQL_THREAD'),
    seen: (status) => status.Slave_SQL_Running === 'No',
    undo: () => onReplica('START SLAVE'),
    reason: /replication is not running \(applier\)/,
  },
  {
    how: 'cut off from its source',
    inject: () => onReplica('STOP SLAVE IO_THREAD'),
    seen: (status) => status.Slave_IO_Running === 'No',
    undo: () => onReplica('START SLAVE'),
    reason: /replication is not running \(receiver\)/,
  },
  {
    how: 'delayed',
    inject: () => onReplica('STOP SLAVE', 'CHANGE MASTER TO MASTER_DELAY = 3600', 'START SLAVE'),
    seen: (status) => Number(status.SQL_Delay) === 3600,
    undo: () => onReplica('STOP SLAVE', 'CHANGE MASTER TO MASTER_DELAY = 0', 'START SLAVE'),
    reason: /delayed by 3600 s on purpose/,
  },
  {
    how: 'filtered',
    inject: () => onReplica('STOP SLAVE', "SET GLOBAL replicate_ignore_db = 'shop'", 'START SLAVE'),
    seen: (status) => status.Replicate_Ignore_DB === 'shop',
    undo: () => onReplica('STOP SLAVE', "SET GLOBAL replicate_ignore_db = ''", 'START SLAVE'),
    reason: /has filters.*Replicate_Ignore_DB=shop/,
  },
];

for (const { how, inject, seen, undo, reason } of faults) {
  faultTest(
    ['F17'],
    `a replica that is ${how} is not chosen, and without another member nobody is`,
    async ({ hit, endState }) => {
      await inject();
      if (seen(await statusOf())) hit('F17');
      const found = await inspect();
      await undo();
      await endState(() => {
        expect(found.ineligible.join()).toMatch(reason);
        const planned = planFor(found);
        expect(planned).toMatchObject({ outcome: 'refused', error: { name: 'Cluster.NoMember' } });
        expect(JSON.stringify(planned)).toMatch(reason);
      });
    },
  );
}

faultTest(
  ['F17'],
  'a replica that is behind is not chosen, with its lag and what the policy allows',
  async ({ hit, endState }) => {
    const holder = await pair.replica.connect();
    await expect.poll(async () => (await statusOf()).Seconds_Behind_Master, { timeout: 10_000 }).toBe(0);
    await holder.query('LOCK TABLES shop.t READ');
    await pair.sql(pair.primary, 'INSERT INTO shop.t VALUES (1)');
    const lag = async () => Number((await statusOf()).Seconds_Behind_Master);
    await expect.poll(lag, { timeout: 20_000 }).toBeGreaterThan(1);
    hit('F17');
    const found = await inspect();
    await holder.query('UNLOCK TABLES');
    await holder.end();
    await pair.caughtUp();
    const after = await inspect();
    await endState(() => {
      expect(found.ineligible.join()).toMatch(/replication is \d+ s behind, the policy allows 0 s/);
      expect(planFor(found)).toMatchObject({ error: { name: 'Cluster.NoMember' } });
      expect(after.ineligible).toEqual([]);
      expect(planFor(after)).toMatchObject({ outcome: 'planned' });
    });
  },
);

faultTest(
  ['F20'],
  'tables that come, change, move and go while the tool runs are whole in the backup, or it is none and names them',
  async ({ hit, endState }) => {
    const { primary } = pair;
    await pair.sql(
      primary,
      ...['changed', 'named', 'dropped'].flatMap((name) => [
        `CREATE TABLE shop.${name} (id INT PRIMARY KEY)`,
        `INSERT INTO shop.${name} VALUES (1)`,
      ]),
    );
    const unlocked: number[] = [];
    const done: number[] = [];
    let changing: Promise<void> | undefined;
    const change = async () => {
      for (const statement of [
        'CREATE TABLE shop.made (id INT PRIMARY KEY)',
        'INSERT INTO shop.made VALUES (1)',
        'ALTER TABLE shop.changed ADD COLUMN more INT DEFAULT 7, ALGORITHM=COPY',
        'RENAME TABLE shop.named TO shop.renamed',
        'DROP TABLE shop.dropped',
      ]) {
        await pair.sql(primary, statement);
        done.push(performance.now());
      }
    };
    const context = contextIn(pair.directory, {
      log: (message) => {
        if (/Acquired locks for BACKUP STAGE START/.test(message)) changing ??= change();
        if (/All tables unlocked/.test(message)) unlocked.push(performance.now());
      },
    });
    const end = await takeBackup(engine(), backupOrderFor(memberOf(primary)), context).catch(
      (error: Error) => error,
    );
    await changing;
    if (done[0]! < (unlocked[0] ?? Number.POSITIVE_INFINITY)) hit('F20');
    await endState(() => {
      if (end instanceof Error) {
        expect(end).toMatchObject({ name: 'Backup.Incomplete' });
        expect(end.message).toMatch(/shop/);
        return;
      }
      const { tables } = end.manifest.fingerprint;
      const names = tables.filter(({ schema }) => schema === 'shop').map(({ table }) => table);
      const files = end.rows.flatMap((row) => (row.t === 'file' ? [row.path] : []));
      // What is there before and after it is in the stream.
      for (const name of ['t', 'changed'].filter((table) => names.includes(table)))
        expect(files.some((path) => path.startsWith(`shop/${name}.`))).toBe(true);
      expect(end.manifest.comparison).toBe('bounded');
    });
  },
);

faultTest(
  ['F76'],
  'names and passwords of quotes, blanks, commands and line breaks are names and passwords, to the server and to the tool',
  async ({ hit, endState }) => {
    const ran = join(pair.directory, 'ran');
    const user = `b "o'x" $HOME; # $(touch ${ran})`;
    const password = ` p'w"d \\n #x; $(touch ${ran}) \`touch ${ran}\`\n\ttwo\\ é `;
    const name = '$(touch ran); rm -rf "x" `y';
    const account = `${quote(user)}@localhost`;
    const quoted = `\`${name.replaceAll('`', '``')}\``;
    await pair.sql(
      pair.primary,
      `CREATE USER ${account} IDENTIFIED BY ${quote(password)}`,
      `GRANT ALL PRIVILEGES ON *.* TO ${account}`,
      `CREATE DATABASE ${quoted}`,
      `CREATE TABLE ${quoted}.${quoted} (id INT PRIMARY KEY)`,
    );
    let looked: Promise<unknown> | undefined;
    const lines: string[] = [];
    const order = backupOrderFor(memberOf(pair.primary, { kind: 'secret', name: 'holdfast/mi-0abc/backup' }));
    const backup = await takeBackup(
      engine(),
      order,
      contextIn(pair.directory, {
        readSecret: async () => JSON.stringify({ user, password }),
        log: (message, facts) => {
          lines.push(`${message} ${JSON.stringify(facts ?? {})}`);
          if (!/Acquired locks for BACKUP STAGE START/.test(message)) return;
          looked ??= pair
            .sql(
              pair.primary,
              `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE USER = ${quote(user)}`,
            )
            .then((rows) => {
              // More than the runner's own session: the tool is in by the same name and password.
              if (Number(rows[0]?.n) > 1) hit('F76');
            });
        },
      }),
    );
    await looked;
    await endState(() => {
      const tables = backup.manifest.fingerprint.tables.map(({ schema, table }) => [schema, table]);
      expect(tables).toContainEqual([name, name]);
      expect(existsSync(ran)).toBe(false);
      expect(JSON.stringify([backup.manifest.tool.arguments, lines])).not.toContain('two');
    });
  },
);

faultTest(
  ['F22'],
  'a server whose files may be encrypted is refused by name, so that no backup waits for a key that is gone',
  async ({ hit, endState }) => {
    const { replica } = pair;
    const keys = join(pair.directory, 'keys');
    writeFileSync(keys, `1;${'a1'.repeat(32)}\n`, { mode: 0o644 });
    const defaults = readFileSync(replica.defaultsFile, 'utf8');
    const encrypted = `plugin-load-add=file_key_management\nfile-key-management-filename=${keys}\n`;
    await replica.stop();
    writeFileSync(replica.defaultsFile, `${defaults}${encrypted}`);
    const restarted = await startServer(replica);
    rmSync(keys);
    const plugins = await pair.sql(
      replica,
      "SELECT PLUGIN_STATUS AS status FROM information_schema.PLUGINS WHERE PLUGIN_TYPE = 'ENCRYPTION'",
    );
    if (plugins[0]?.status === 'ACTIVE') hit('F22');
    await pair.sql(replica, 'START SLAVE');
    for (let i = 0; i < 100 && (await statusOf()).Slave_IO_Running !== 'Yes'; i++) await sleep(50);
    const found = await inspect();
    const refused = await engine().preflight(backupOrderFor(memberOf(replica)), contextIn(pair.directory));
    await restarted.stop();
    writeFileSync(replica.defaultsFile, defaults);
    await endState(() => {
      expect(found.ineligible.join()).toContain('files may be encrypted (file_key_management)');
      expect(planFor(found)).toMatchObject({ error: { name: 'Cluster.NoMember' } });
      expect(refused).toMatchObject({ outcome: 'refused', name: 'Member.Ineligible' });
    });
  },
);
