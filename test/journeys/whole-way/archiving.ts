import { setTimeout as sleep } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { brokenLink } from '../../../contract/formats/segment-chain.ts';
import { readSegmentHead } from '../../../contract/formats/segment-codec.ts';
import { type ArchiveEnd, archiveEndOf } from '../../../contract/records/agent.ts';
import type { ShownWindow } from '../../../functions/logs/show-window.ts';
import { beginArchiving, startAgent } from '../../../infra/local/archiving.ts';
import { localSite } from '../../../infra/local/local-settings.ts';
import { askTyped } from './restore-commands.ts';
import { ask, type World } from './world.ts';

type Archive = {
  timeline: string;
  memberId: string;
  state: string;
  newest: ArchiveEnd | null;
};

/** The archive of the cluster as it is recorded. */
export const archiveOf = async ({ tables }: World): Promise<Archive | undefined> =>
  (await tables.catalog()).find(({ pk, sk }) => pk === 'ARCHIVE' && sk === 'shop#main') as
    | Archive
    | undefined;

/** The number of a transaction of the cluster's primary. */
export const sequenceOf = (gtid: string) => Number(/^0-\d+-(\d+)/.exec(gtid)?.[1]);

/** The agents come up; what they archive meanwhile is looked at by the chapters to come. */
export function archivingBegins(the: () => World): void {
  describe('archiving of the log', () => {
    it('begins with the primary, once the agents have told what they see', async () => {
      the().agents = await beginArchiving(the().target, the().registry);
      expect(await archiveOf(the())).toMatchObject({ memberId: 'primary', newest: null });
    });
  });
}

export function archiving(the: () => World): void {
  describe('archiving of the log, some chapters later', () => {
    /** Passes of Reconcile until the record is as wanted. */
    const reconciled = async (wanted: (of: Archive | undefined) => boolean) => {
      for (const until = Date.now() + 60_000; ; await sleep(500)) {
        const pass = (await ask(the(), 'reconcile', {})) as { counts: Record<string, number> };
        const found = await archiveOf(the());
        if (wanted(found)) return { ...pass, archive: found! };
        if (Date.now() > until) throw new Error(`the archive stays ${JSON.stringify(found)}`);
      }
    };
    const headerOf = async (key: string) => {
      const { clients, names } = the().target;
      const Bucket = names.bucket(localSite);
      const answer = await clients.s3.send(new GetObjectCommand({ Bucket, Key: key }));
      return readSegmentHead(await answer.Body!.transformToByteArray(), zstdDecompressSync)!.header;
    };

    it('keeps up with a writer over a rotation and an agent that is killed, in one chain', async () => {
      const { servers, writer, registry, agents, target } = the();
      const connection = await servers.primary.connect();
      await connection.query('FLUSH BINARY LOGS');
      await connection.end();
      await registry.stop(agents[0]!, 0);
      await sleep(1500);
      agents[0] = startAgent(registry, target.hosts.primary);
      const now = sequenceOf(writer.report().lastGtid);
      const recorded = await reconciled((of) => sequenceOf(of?.newest?.end.gtid ?? '') >= now);
      const { archive: after, counts } = recorded;
      expect(after).toMatchObject({ memberId: 'primary', state: 'archiving' });
      expect(counts).toMatchObject({ archivesLagging: 0, archivesBroken: 0, objectsUnclaimed: 0 });
      let newest: { key: string; crc: string } | null = after.newest;
      let behind: Awaited<ReturnType<typeof headerOf>> | undefined;
      const files = new Set<string>();
      let seen = 0;
      for (; newest !== null; seen++) {
        const header = await headerOf(newest.key);
        if (behind) expect(brokenLink(archiveEndOf(header, newest.key, newest.crc), behind)).toBeUndefined();
        behind = header;
        files.add(header.log.file);
        newest = header.previous;
      }
      expect(seen).toBe(after.newest!.seq + 1);
      expect(files.size).toBe(2);
    });

    it('is told to whoever asks to which times the cluster can be brought back, by the command that is printed', async () => {
      const shown = await askTyped<ShownWindow>(the(), '## To which times');
      const [set] = shown.sets;
      const { timeline = '', newest } = (await archiveOf(the())) ?? {};
      const backup = (await the().tables.backups('shop')).find(
        (of) => of.backupId === shown.backup?.backupId,
      );
      expect(backup).toMatchObject({ state: 'verified', timeline });
      expect(shown).toMatchObject({ outcome: 'shown' });
      expect(set?.archive).toMatchObject({ memberId: 'primary', state: 'archiving' });
      expect(set?.windows[0]).toMatchObject({ timeline, newest: backup?.backupId, gtids: true });
      expect(set?.windows[0]?.end.gtid).toBe(newest?.end.gtid);
      expect(shown.says.join('\n')).toMatch(/main: any time from \S+ to \S+, up to GTID 0-\d+-\d+/);
    });
  });
}
