import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RecordTablesAnswer } from '../../../functions/restore/record-restore.ts';
import { localHostIds } from '../../../infra/local/local-hosts.ts';
import { localClusterId } from '../../../infra/local/register-documents.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { waitUntil } from './wait-until.ts';
import { failed, run, succeeded, type World } from './world.ts';

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
    const directory = join(hosts.primary.root, 'scratch for "tables"');
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
    it('brings a child table and a partitioned one back on the primary, and the replica gets them', async () => {
      const world = the();
      const before = world.writer.report();
      const input = await request(['shop.orders', 'shop.measurements']);
      const answer = succeeded(await run(world, 'restore', input)) as RecordTablesAnswer;
      expect(answer).toMatchObject({
        outcome: 'recorded',
        comparison: 'exact',
        memberId: 'primary',
        tables: 2,
      });
      for (const { schema, as, rows, way } of answer.restored) {
        expect(way).toBe('copy');
        expect(rows).toBeGreaterThan(0);
        const name = `\`${schema}\`.\`${as}\``;
        expect(await rowsOn(world, 'primary', name)).toBe(rows);
        await waitUntil(
          `the replica has ${name}`,
          async () => (await rowsOn(world, 'replica', name)) === rows,
        );
      }
      expect(existsSync(input.target.directory)).toBe(false);
      expect([...(await world.tables.locks()), ...(await world.tables.pins())]).toEqual([]);

      const [first] = answer.restored;
      failed(await run(world, 'restore', await request(['shop.orders'])), 'Restore.TableExists', first!.as);
      const connection = await world.servers.primary.connect();
      for (const { schema, as } of answer.restored)
        await connection.query(`DROP TABLE \`${schema}\`.\`${as}\``);
      await connection.end();
      const dropped = world.writer.report().lastAcknowledged;
      const sequence = (gtid: string) => Number(gtid.split('-').at(-1));
      await waitUntil('the writer goes on', async () => {
        const now = world.writer.report();
        world.others =
          sequence(now.lastGtid) -
          sequence(before.lastGtid) -
          (now.lastAcknowledged - before.lastAcknowledged);
        return now.lastAcknowledged > dropped + 1;
      });
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
