import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { beforeAll, describe, expect, it } from 'vitest';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import type { LocalHost } from '../../../infra/local/host.ts';
import { localHostIds } from '../../../infra/local/local-hosts.ts';
import { findSecrets, kinds, type Place, type Secret } from '../../../infra/local/scan/find-secrets.ts';
import { placesOf, type Scan, scanForSecrets } from '../../../infra/local/scan/scan.ts';
import { watchProcesses } from '../../../infra/local/scan/watch-processes.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { type Overheard, startWireTap } from '../../doubles/wire-tap.ts';
import { canary, plantEverywhere } from './planted-secrets.ts';
import { register, run, succeeded, type World } from './world.ts';

// Nothing like it stands anywhere else, and it needs quoting wherever it is written.
const password = `Corr3ct-h0rse "b@ttery' $taple; #7f3d9c`;
const account = 'backup';

/** Lets the runner of a host speak through a tap for as long as `use` runs. */
async function through<T>(endpoint: string, hosts: LocalHost[], use: () => Promise<T>): Promise<T> {
  const files = hosts.map(({ root }) => join(root, 'etc/environment'));
  const before = files.map((file) => readFileSync(file, 'utf8'));
  files.forEach((file, at) => {
    writeFileSync(file, before[at]!.replace(/^AWS_ENDPOINT_URL=.*$/m, `AWS_ENDPOINT_URL=${endpoint}`));
  });
  try {
    return await use();
  } finally {
    files.forEach((file, at) => {
      writeFileSync(file, before[at]!);
    });
  }
}

/** What went over the wire of the hosts: shown to the broker, lent by it, and the tokens with which tasks were answered. */
function secretsOf(overheard: readonly Overheard[]): Secret[] {
  return overheard.flatMap(({ target, sent, answered }): Secret[] => {
    if (target !== '') {
      const { taskToken } = JSON.parse(sent) as { taskToken: string };
      return [{ name: 'task token', value: taskToken }];
    }
    const { secret } = JSON.parse(sent) as { secret: string };
    const { secretAccessKey, sessionToken } = JSON.parse(answered) as Record<string, string>;
    return [
      { name: 'secret of a claim', value: secret },
      { name: 'lent credentials', value: secretAccessKey ?? '' },
      { name: 'lent credentials', value: sessionToken ?? '' },
    ];
  });
}

/** A member whose account has a password, backed up and restored; then everything is searched for what nobody should see. */
export function keepingSecrets(the: () => World): void {
  describe('secrets', () => {
    let processes: Place[] = [];
    let scan: Scan;

    beforeAll(async () => {
      const { target, servers, documents } = the();
      const { emulator, hosts } = target;
      const connection = await servers.replica.connect();
      // Not logged: the writer's transactions are counted, and must be the only ones.
      await connection.query('SET SESSION sql_log_bin = OFF');
      await connection.query('CREATE USER ?@localhost IDENTIFIED BY ?', [account, password]);
      await connection.query('GRANT ALL PRIVILEGES ON *.* TO ?@localhost', [account]);
      await connection.end();
      const credentials = { accessKeyId: emulator.accountId, secretAccessKey: 'local' };
      const secrets = new SecretsManagerClient({
        endpoint: emulator.endpoint,
        region: emulator.region,
        credentials,
      });
      const Name = `holdfast/${localHostIds.replica}/${account}`;
      await secrets.send(
        new CreateSecretCommand({ Name, SecretString: JSON.stringify({ user: account, password }) }),
      );
      const credential = { kind: 'secret' as const, name: Name };
      const members = documents.cluster.members.map((m) =>
        m.memberId === 'replica' ? { ...m, credential } : m,
      );

      const tap = await startWireTap(
        emulator.endpoint,
        ({ path, target }) =>
          path.includes('holdfast-broker') || target.startsWith('AWSStepFunctions.SendTask'),
      );
      const watch = watchProcesses();
      await through(tap.endpoint, [hosts.replica, hosts.empty], async () => {
        expect(await register(the(), { ...documents.cluster, members })).toMatchObject({
          outcome: 'registered',
        });
        const { backupId } = succeeded(
          await run(the(), 'backup', { v: 1, clusterId: 'shop', reason: 'with a password' }),
        ) as { backupId: string };
        const at = {
          directory: join(hosts.empty.root, `with a "password"; it's $HOME`),
          port: await freePort(),
        };
        succeeded(await run(the(), 'restore', { ...restoreInput(at), backupId }));
      });
      processes = watch.stop();
      await tap.stop();
      await register(the(), documents.cluster);
      const known: Secret[] = [
        { name: 'password of a database account', value: password },
        ...secretsOf(tap.overheard),
      ];
      scan = await scanForSecrets(target, known, processes);
    });

    it('are all known to the search: the password, what hosts and broker were given, tokens of tasks', () => {
      const names = new Set(scan.secrets.map(({ name }) => name));
      expect([...names].toSorted()).toEqual([
        'credentials of a host',
        'identity of a local host',
        'lent credentials',
        'password of a database account',
        'secret of a claim',
        'task token',
      ]);
      expect(scan.secrets.filter(({ value }) => value.length < 16)).toEqual([]);
    });

    it('are looked for in everything: launcher, runner and tools among the processes, and something of each kind', () => {
      const commands = processes.map(({ where }) => where);
      for (const program of [
        /holdfast-launch/,
        /runner\.mjs run /,
        /mariadb-backup .*--backup/,
        /mbstream/,
        /mariadbd/,
      ])
        expect(
          commands.some((command) => program.test(command)),
          String(program),
        ).toBe(true);
      const ofRunners = processes.filter(
        ({ kind, where }) => kind === 'environment' && /runner\.mjs/.test(where),
      );
      expect(ofRunners.some(({ text }) => text.includes('AWS_CONTAINER_AUTHORIZATION_TOKEN='))).toBe(true);
      const seen = new Set(scan.places.map(({ kind }) => kind));
      expect(kinds.filter((kind) => !seen.has(kind))).toEqual([]);
    });

    it('are found nowhere but where they belong', () => {
      expect(scan.found).toEqual([]);
    });

    it('of tasks are erased from the rows with the end of their jobs', async () => {
      expect(await the().tables.liveJobs()).toEqual([]);
      const rows = scan.places.filter(({ kind }) => kind === 'row').map(({ text }) => text);
      const tokens = scan.secrets.filter(({ name }) => name === 'task token');
      expect(rows.length).toBeGreaterThan(10);
      expect(rows.filter((row) => tokens.some(({ value }) => row.includes(value)))).toEqual([]);
    });

    it('would be found: one that is planted in each kind of place is', async () => {
      const watch = watchProcesses();
      const remove = await plantEverywhere(the().target);
      const planted = [...(await placesOf(the().target)), ...watch.stop()];
      await remove();
      const places = planted.filter((place) => findSecrets([place], [canary]).length > 0);
      const found = new Set(places.map(({ kind }) => kind));
      expect(kinds.filter((kind) => !found.has(kind))).toEqual([]);
    });
  });
}
