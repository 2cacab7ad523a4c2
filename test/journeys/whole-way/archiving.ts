import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { brokenLink } from '../../../contract/formats/segment-chain.ts';
import { readSegmentHead } from '../../../contract/formats/segment-codec.ts';
import { type ArchiveEnd, archiveEndOf } from '../../../contract/records/agent.ts';
import type { ShownWindow } from '../../../functions/logs/show-window.ts';
import { localSite } from '../../../infra/local/local-settings.ts';
import { shellBlocks } from './by-hand.ts';
import { deployPolicy } from './policies.ts';
import { asTyped } from './runbook-commands.ts';
import { ask, register, run, succeeded, type World } from './world.ts';

type Archive = {
  timeline: string;
  memberId: string;
  state: string;
  newest: ArchiveEnd | null;
  durableAt: string | null;
};

export function archiving(the: () => World): void {
  describe('archiving of the log', () => {
    const agents = new Map<string, number>();
    const hosts = () => [the().target.hosts.primary, the().target.hosts.replica];

    /** The agent as systemd, or the loop of the launcher, would start it. */
    const startAgent = (root: string) => {
      const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOLDFAST_ROOT: root };
      const launcher = join(root, 'bin/holdfast-launch');
      const { pid } = the().registry.start('agent', '/bin/sh', [launcher, 'agent', 'once'], { env });
      agents.set(root, pid!);
    };
    const stopAgents = async () => {
      for (const pid of agents.values()) await the().registry.stop(pid);
      agents.clear();
    };
    const archive = async (): Promise<Archive | undefined> =>
      (await the().tables.catalog()).find(({ pk, sk }) => pk === 'ARCHIVE' && sk === 'shop#main') as
        | Archive
        | undefined;
    /** Passes of Reconcile until the record is as wanted. */
    const reconciled = async (wanted: (of: Archive | undefined) => boolean) => {
      for (const until = Date.now() + 60_000; ; await sleep(500)) {
        const pass = (await ask(the(), 'reconcile', {})) as { counts: Record<string, number> };
        const found = await archive();
        if (wanted(found)) return { ...pass, archive: found! };
        if (Date.now() > until) throw new Error(`the archive stays ${JSON.stringify(found)}`);
      }
    };
    const bucket = () => the().target.names.bucket(localSite);
    const headerOf = async (key: string) => {
      const answer = await the().target.clients.s3.send(new GetObjectCommand({ Bucket: bucket(), Key: key }));
      return readSegmentHead(await answer.Body!.transformToByteArray(), zstdDecompressSync)!.header;
    };
    const written = async (server = the().servers.primary) => {
      const connection = await server.connect();
      const [[row]] = (await connection.query('SELECT @@GLOBAL.gtid_binlog_pos AS gtid')) as never as [
        [{ gtid: string }],
      ];
      await connection.end();
      return row.gtid;
    };
    const number = (gtid: string) => Number(/^0-\d+-(\d+)/.exec(gtid)?.[1]);

    beforeAll(async () => {
      const logs = { archive: true, intervalSeconds: 2, segmentMiB: 1 };
      const policy = await deployPolicy(the(), 'archived', { logs });
      expect(await register(the(), { ...the().documents.cluster, policy })).toMatchObject({
        outcome: 'registered',
      });
    });
    afterAll(async () => {
      await stopAgents();
      await register(the(), the().documents.cluster);
      await ask(the(), 'reconcile', {});
    });

    it('begins once the agents have told what they see, with the primary, and records what it stores', async () => {
      await ask(the(), 'reconcile', {});
      for (const { root } of hosts()) startAgent(root);
      const begun = await reconciled((of) => (of?.newest?.seq ?? 0) > 2 && of?.state === 'archiving');
      expect(begun.archive).toMatchObject({ memberId: 'primary', state: 'archiving' });
      expect(begun.counts).toMatchObject({
        archives: 1,
        archivesLagging: 0,
        archivesBroken: 0,
        objectsUnclaimed: 0,
      });
    });

    it('keeps up with a writer over a rotation and an agent that is killed, in one chain', async () => {
      const connection = await the().servers.primary.connect();
      await connection.query('FLUSH BINARY LOGS');
      await connection.end();
      const { root } = the().target.hosts.primary;
      await the().registry.stop(agents.get(root)!, 0);
      await sleep(1500);
      startAgent(root);
      const now = number(await written());
      const { archive: after } = await reconciled((of) => number(of?.newest?.end.gtid ?? '') >= now);
      let newest: { key: string; crc: string } | null = after.newest;
      let behind: Awaited<ReturnType<typeof headerOf>> | undefined;
      let seen = 0;
      for (; newest !== null; seen++) {
        const header = await headerOf(newest.key);
        if (behind) expect(brokenLink(archiveEndOf(header, newest.key, newest.crc), behind)).toBeUndefined();
        behind = header;
        newest = header.previous;
      }
      expect(seen).toBe(after.newest!.seq + 1);
      expect(new Set([after.newest!.log.file, behind!.log.file]).size).toBe(2);
    });

    it('joins the next backup to the archive, which goes on meanwhile', async () => {
      const backup = { v: 1, clusterId: 'shop', reason: 'into the archive' };
      const { backupId } = succeeded(await run(the(), 'backup', backup)) as { backupId: string };
      const record = (await the().tables.catalog()).find(({ sk }) => sk.endsWith(`BACKUP#${backupId}`));
      expect(record).toMatchObject({ state: 'verified', timeline: (await archive())!.timeline });
      const gtid = (record as never as { position: { gtid: string } }).position.gtid;
      const { archive: after } = await reconciled((of) => number(of?.newest?.end.gtid ?? '') > number(gtid));
      expect(after.state).toBe('archiving');

      // What an operator then asks, as the README prints it.
      const [command] = shellBlocks('To a point in time');
      const said = await asTyped(the().target, command ?? '', {});
      const shown = JSON.parse(said.slice(0, said.lastIndexOf('{'))) as ShownWindow;
      const [set] = shown.sets;
      expect(shown).toMatchObject({ outcome: 'shown', backup: { backupId } });
      expect(set?.archive).toMatchObject({ memberId: 'primary', state: 'archiving' });
      expect(set?.archive.behindSeconds).toBeLessThan(60);
      expect(set?.windows[0]).toMatchObject({ timeline: after.timeline, newest: backupId, gtids: true });
      expect(number(set!.windows[0]!.end.gtid)).toBeGreaterThan(number(gtid));
      expect(shown.says.join('\n')).toMatch(/main: any time from \S+ to \S+, up to GTID 0-\d+-\d+/);
    });

    it('ends with the policy: the agents find nothing ordered and end', async () => {
      expect(await register(the(), the().documents.cluster)).toMatchObject({ outcome: 'registered' });
      await ask(the(), 'reconcile', {});
      const ended = [...agents.values()];
      const lives = (pid: number) => {
        try {
          return process.kill(pid, 0);
        } catch {
          return false;
        }
      };
      for (const until = Date.now() + 70_000; ended.some(lives) && Date.now() < until; ) await sleep(200);
      expect(ended.filter(lives)).toEqual([]);
    });
  });
}
