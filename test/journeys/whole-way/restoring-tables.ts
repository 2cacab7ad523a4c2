import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RecordTablesAnswer } from '../../../functions/restore/record-restore.ts';
import { waitUntilArchived } from '../../../infra/local/archiving.ts';
import { localHostIds } from '../../../infra/local/local-hosts.ts';
import { factsOf } from '../../../infra/local/proof.ts';
import { localClusterId } from '../../../infra/local/register-documents.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { sequenceOf } from './archiving.ts';
import { startTyped } from './restore-commands.ts';
import { waitUntil } from './wait-until.ts';
import { ended, failed, run, succeeded, type World } from './world.ts';

/** Rows of a table on a server; -1 where there is none of the name. */
async function rowsOn(world: World, on: 'primary' | 'replica', name: string): Promise<number> {
  const connection = await world.servers[on].connect();
  const [rows] = await connection.query(`SELECT COUNT(*) AS n FROM ${name}`).catch(() => [[{ n: -1 }]]);
  await connection.end();
  return Number((rows as { n: number }[])[0]?.n);
}

export function restoringTables(the: () => World): void {
  const request = async (tables: string[], change: object = {}) => {
    const { hosts } = the().target;
    const directory = join(hosts.primary.root, 'scratch for tables');
    const target = { hostId: localHostIds.primary, directory, port: await freePort() };
    return {
      v: 1,
      clusterId: localClusterId,
      backupId: 'latest',
      tables,
      into: 'primary',
      target,
      ...change,
    };
  };

  describe('bringing single tables back beside the live ones', () => {
    it('brings a child table and a partitioned one back as they were before a mistake, and the replica gets them', async () => {
      const world = the();
      const connection = await world.servers.primary.connect('shop');
      await connection.query('UPDATE orders SET net = 0 WHERE id <= 500');
      const [rows] = await connection.query('SELECT @@last_gtid AS gtid');
      const mistake = (rows as { gtid: string }[])[0]!.gtid;
      const before = mistake.replace(/\d+$/, (sequence) => String(Number(sequence) - 1));
      await connection.query('DELETE FROM measurements WHERE sensor <= 1000');
      await waitUntilArchived(world.target, sequenceOf(mistake));

      const until = { beforeGtid: mistake };
      const { target } = await request([]);
      const arn = await startTyped(world, '## Single tables', { ...target, gtid: mistake });
      const answer = succeeded(await ended(world, arn)) as RecordTablesAnswer;
      expect(answer).toMatchObject({
        outcome: 'recorded',
        comparison: 'exact',
        memberId: 'primary',
        tables: 2,
        log: { until: { gtid: before } },
      });
      for (const { schema, as, rows, way } of answer.restored) {
        expect(way).toBe('copy');
        const name = `\`${schema}\`.\`${as}\``;
        expect(await rowsOn(world, 'primary', name)).toBe(rows);
        await waitUntil(
          `the replica has ${name}`,
          async () => (await rowsOn(world, 'replica', name)) === rows,
        );
      }
      expect(existsSync(target.directory)).toBe(false);
      expect([...(await world.tables.locks()), ...(await world.tables.pins())]).toEqual([]);
      const again = await request(['shop.orders'], { until });
      const asOf = (table: string) => answer.restored.find((found) => found.table === table)!.as;
      failed(await run(world, 'restore', again), 'Restore.TableExists', asOf('orders'));

      // As whoever made the mistake would put it right.
      await connection.query(`UPDATE orders o JOIN \`${asOf('orders')}\` r USING (id) SET o.net = r.net`);
      await connection.query(`INSERT IGNORE INTO measurements SELECT * FROM \`${asOf('measurements')}\``);
      for (const { as } of answer.restored) await connection.query(`DROP TABLE \`${as}\``);
      expect(await factsOf(connection)).toEqual(world.facts);
      await connection.end();
    });

    it('refuses a replica, before anything is touched', async () => {
      const { hosts } = the().target;
      const target = {
        hostId: localHostIds.replica,
        directory: join(hosts.replica.root, 'never'),
        port: await freePort(),
      };
      const input = await request(['shop.orders'], { into: 'replica', target });
      failed(await run(the(), 'restore', input), 'Restore.MemberUnfit', 'name the primary');
      expect(existsSync(target.directory)).toBe(false);
    });
  });
}
