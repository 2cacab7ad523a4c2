import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { engineContract } from '../unit/runner/engines/contract-suite.ts';
import { startPair } from './support/mariadb-pair.ts';
import { backupOrderFor, memberOf, stopRestored } from './support/mysql-jobs.ts';

for (const method of ['physical', 'logical'] as const)
  engineContract(`the MariaDB ${method} full`, async () => {
    const pair = await startPair(`contract-${method}`);
    mkdirSync(join(pair.directory, 'spool'));
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200))',
      "INSERT INTO shop.orders (note) VALUES ('tea'), ('coffee')",
    );
    await pair.caughtUp();
    const member = memberOf(pair.replica);
    const order = backupOrderFor(member);
    let port = 24_000 + (process.pid % 500) * 10;
    return {
      engine: makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') }),
      order: { ...order, plan: { ...order.plan, method, spoolBytes: 256 * 1024 * 1024 } },
      unreachable: { ...member, socket: join(pair.directory, 'nobody.sock') },
      nextPort: () => port++,
      user: 'mysql',
      directory: pair.directory,
      change: async () => {
        await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('milk')");
        await pair.caughtUp();
      },
      slow: async () => {
        await pair.sql(
          pair.primary,
          'CREATE TABLE IF NOT EXISTS shop.large (id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)',
          ...Array.from({ length: 8 }, () => "INSERT INTO shop.large (body) VALUES (REPEAT('x', 8000000))"),
        );
        await pair.caughtUp();
      },
      leftovers: async () => {
        const [channel] = await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS');
        const left = channel?.Slave_SQL_Running === 'Yes' ? [] : ['the applier is stopped'];
        // The server ends the session of a tool that is gone when it next looks: within a second.
        for (let look = 0; ; look += 1) {
          const sessions = await pair.sql(
            pair.replica,
            `SELECT INFO AS info, STATE AS state FROM information_schema.PROCESSLIST
           WHERE ID <> CONNECTION_ID() AND USER = 'root'`,
          );
          if (sessions.length === 0 || look === 25)
            return [...left, ...sessions.map((session) => `session: ${session.state} ${session.info}`)];
          await sleep(200);
        }
      },
      stop: async (_instance, directory) => stopRestored(directory),
      close: () => pair.close(),
    };
  });
