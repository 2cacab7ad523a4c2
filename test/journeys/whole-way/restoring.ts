import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { RestoreResult } from '../../../contract/records/job.ts';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import { compareServers } from '../../../infra/local/proof.ts';
import { freePort } from '../../../infra/local/wait.ts';
import type { WriterReport } from '../../../infra/local/writer.ts';
import { withHeldTool } from './tools.ts';
import { ended, failed, run, start, succeeded, type World } from './world.ts';

type Restored = Pick<RestoreResult, 'directory' | 'socket' | 'port' | 'serverId' | 'comparison'> & {
  backupId: string;
  state: string;
  position: { gtid: string };
};

/** Every difference between a restored server and what the writer and the replica know; none when it is the same. */
export async function differences(
  world: World,
  restored: { socket: string; gtid: string },
  writer: WriterReport,
): Promise<unknown[]> {
  const source = await world.servers.replica.connect();
  const other = await createConnection({ socketPath: restored.socket, user: 'root', charset: 'utf8mb4' });
  // Who compares counts back from the writer's last GTID.
  const lastGtid = writer.lastGtid.replace(/\d+$/, (sequence) => String(Number(sequence) - world.others));
  const comparisons = await compareServers({
    source,
    restored: other,
    writer: { ...writer, lastGtid },
    position: restored.gtid,
  });
  await Promise.all([source.end(), other.end()]);
  expect(comparisons.length).toBeGreaterThan(10);
  return comparisons.filter((comparison) => !comparison.equal);
}

export function restoring(the: () => World): void {
  describe('bringing a lost database back', () => {
    it('restores the destroyed primary on the empty host, equal to what was lost at the position of the backup', async () => {
      const { target, servers, writer, events, tables } = the();
      await servers.primary.kill();
      const lost = await writer.ended;
      rmSync(servers.primary.datadir, { recursive: true });
      const directory = join(target.hosts.empty.root, `re "stored"; it's $HOME`);
      const input = restoreInput({ directory, port: await freePort() });
      const { first, second, backupId, restored } = await withHeldTool(
        target.hosts.empty,
        '--prepare',
        async ({ held, letGo }) => {
          const first = await start(the(), 'restore', input);
          await held();
          const [pin] = await tables.pins();
          expect(pin).toContain(first);
          const second = await run(the(), 'restore', input);
          letGo();
          const restored = succeeded(await ended(the(), first)) as Restored;
          return { first, second, backupId: restored.backupId, restored };
        },
      );
      failed(second, 'Restore.TargetBusy', directory, first);
      expect(restored).toMatchObject({ directory, comparison: 'exact', state: 'proven' });
      expect(await differences(the(), { ...restored, gtid: restored.position.gtid }, lost)).toEqual([]);

      const other = await createConnection({ socketPath: restored.socket, user: 'root' });
      const [identity] = await other.query(
        `SELECT @@server_id AS id, @@read_only AS readOnly, @@event_scheduler AS events,
          @@bind_address AS bound, @@port AS port`,
      );
      const [replication] = await other.query('SHOW ALL SLAVES STATUS');
      await other.end();
      const { serverId, port } = restored;
      expect(identity).toEqual([{ id: serverId, readOnly: 1, events: 'OFF', bound: '127.0.0.1', port }]);
      expect([101, 102]).not.toContain(serverId);
      expect(replication).toEqual([]);

      await events.seen('Restore Completed', { version: 1, clusterId: 'shop', backupId, directory });
      const proven = (await tables.backups('shop')).find((backup) => backup.backupId === backupId);
      expect(proven).toMatchObject({ state: 'proven' });
      expect([...(await tables.locks()), ...(await tables.pins())]).toEqual([]);

      failed(await run(the(), 'restore', input), 'Restore.DirectoryNotEmpty', directory, 'my.cnf');
      expect(await differences(the(), { ...restored, gtid: restored.position.gtid }, lost)).toEqual([]);
    });
  });
}
