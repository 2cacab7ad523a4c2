import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerAll } from '../../../infra/local/backup-story.ts';
import { failed, quiet, register, run, type World } from './world.ts';

const soon = () => new Date(Date.now() + 3_600_000).toISOString();

export function registering(the: () => World): void {
  describe('registering', () => {
    beforeAll(() => registerAll(the().target, the().servers, quiet));

    const refused = async (document: unknown, ...words: string[]) => {
      const answer = await register(the(), document);
      expect(answer).toMatchObject({ outcome: 'refused', error: { name: 'Register.Refused' } });
      for (const word of words) expect(JSON.stringify(answer)).toContain(word);
    };
    const withMembers = (change: object) => {
      const { cluster } = the().documents;
      return { ...cluster, members: cluster.members.map((member) => ({ ...member, ...change })) };
    };

    it('says unchanged to the documents it took', async () => {
      const { cluster, hosts } = the().documents;
      expect(await register(the(), cluster)).toMatchObject({ outcome: 'unchanged' });
      for (const host of hosts) expect(await register(the(), host)).toMatchObject({ outcome: 'unchanged' });
    });

    it('refuses a policy, a host and a site that nobody knows, with field and value', async () => {
      await refused({ ...the().documents.cluster, policy: 'weekly' }, 'policy: weekly');
      await refused(withMembers({ hostId: 'mi-nobody' }), 'members.0.hostId: mi-nobody');
      await refused({ ...the().documents.cluster, homeSite: 'moon' }, 'homeSite: moon', 'home');
    });

    it('refuses what does not fit the schema, with the path', async () => {
      const answer = await register(the(), { ...the().documents.cluster, clusterId: 'No Such; Name' });
      expect(answer).toMatchObject({ outcome: 'refused', error: { name: 'Input.Invalid' } });
      expect(JSON.stringify(answer)).toContain('clusterId');
    });

    it('refuses a socket on which nobody listens, found out on the host', async () => {
      const socket = `/run/no such 'socket'; $HOME.sock`;
      await refused(
        withMembers({ socket }),
        'member primary',
        'member replica',
        'cannot be reached',
        '$HOME',
      );
    });

    it('refuses a login that the server refuses, and does not tell the password', async () => {
      const file = join(the().target.hosts.primary.root, 'etc', 'wrong.cnf');
      writeFileSync(file, `[client]\nuser = "app's \\"writer\\" $1;"\npassword = "n't; $(it) 'this'"\n`, {
        mode: 0o600,
      });
      const document = withMembers({ credential: { kind: 'file', path: file } });
      await refused(document, 'member primary', 'Access denied');
      expect(JSON.stringify(await register(the(), document))).not.toContain('$(it)');
    });

    it('refuses a datadir that belongs to another cluster', async () => {
      await refused({ ...the().documents.cluster, clusterId: 'thief' }, 'belongs to cluster shop');
    });

    it('keeps the cluster as it was through all these refusals', async () => {
      expect(await register(the(), the().documents.cluster)).toMatchObject({ outcome: 'unchanged' });
    });

    it.each([
      [
        'paused',
        () => ({ paused: { until: soon(), reason: `the "big" move; don't` } }),
        'Cluster.Paused',
        'big',
      ],
      ['retired', () => ({ retired: true }), 'Cluster.Retired', 'shop'],
    ])(
      'a cluster that is %s is not backed up, neither by hand nor by its schedule',
      async (_, change, error, word) => {
        const { cluster } = the().documents;
        expect(await register(the(), { ...cluster, ...change() })).toMatchObject({ outcome: 'registered' });
        failed(await run(the(), 'backup', { v: 1, clusterId: 'shop' }), error, word);
        const fleet = await run(the(), 'fleet-backup', { v: 1, policy: 'hourly' });
        expect(fleet).toMatchObject({ status: 'SUCCEEDED', output: { outcome: 'nothing-due' } });
        expect(await register(the(), cluster)).toMatchObject({ outcome: 'registered' });
        expect(await the().tables.locks()).toEqual([]);
      },
    );
  });
}
