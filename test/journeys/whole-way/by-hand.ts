import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { decodeManifest } from '../../../contract/formats/codec.ts';
import { localCommands } from '../../../infra/local/local-commands.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { differences } from './restoring.ts';
import { waitUntil } from './wait-until.ts';
import { ended, succeeded, type World } from './world.ts';

/** The shell blocks of a section of the README, as printed. */
export function shellBlocks(section: string): string[] {
  const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
  const from = readme.indexOf(`\n## ${section}\n`);
  if (from < 0) throw new Error(`README.md has no section "${section}"`);
  const end = readme.indexOf('\n## ', from + 1);
  const text = readme.slice(from, end < 0 ? undefined : end);
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map((match) => match[1] ?? '');
}

/** The commands that stand, indented by two, below a line of what `npm run local` prints. */
function below(printed: string, heading: string): string {
  const after = printed.slice(printed.indexOf(heading) + heading.length);
  return after.trimStart().split('\n\n')[0]?.replaceAll(/^ {2}/gm, '') ?? '';
}

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function shell(commands: string, environment: Record<string, string>): string {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', commands], {
    encoding: 'utf8',
    env: { PATH: systemPath, HOME: '/nonexistent', ...environment },
  });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

/** What `npm run local` prints, run in a terminal that knows nothing of the project. */
export function asPrinted(the: () => World): void {
  describe('the commands that npm run local prints, run as printed', () => {
    it.each([
      ['A backup by hand:', { state: 'verified' }],
      ['A restore by hand, of the newest verified backup onto the empty host:', { comparison: 'exact' }],
    ])('%s', async (heading, output) => {
      const { target, servers } = the();
      const directory = join(target.hosts.empty.root, 'by hand, as "printed"');
      const printed = localCommands(target, servers, { directory, port: await freePort() });
      const exports = below(printed, 'with the AWS CLI that the set-up installed:');
      const { executionArn } = JSON.parse(shell(`${exports}\n${below(printed, heading)}`, {}));
      expect(succeeded(await ended(the(), executionArn))).toMatchObject(output);
    });
  });
}

/** The README's two blocks, without any part of holdfast. */
export function withoutHoldfast(the: () => World): void {
  describe('a restore by hand, without holdfast, as the README prints it', () => {
    it('gives a server with the same data', async () => {
      const { target, tables, writer, registry } = the();
      const { paths, emulator, names, clients } = target;
      const [first = '', second = ''] = shellBlocks('A restore by hand, without holdfast');
      // The oldest: chapters between then and now leave the data as they found it.
      const [backup] = (await tables.backups('shop'))
        .filter(({ comparison, level }) => comparison === 'exact' && level === 'full')
        .sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
      const prefix = `shop/backups/${backup?.backupId}`;
      const directory = join(paths.run, `by hand, it's "$1"`);
      mkdirSync(directory, { mode: 0o755 });
      const environment = {
        ...emulator.environment,
        PATH: `${paths.project}/.local/venv/bin:${systemPath}`,
        BACKUP: `s3://${names.bucket('home')}/${prefix}`,
        DIR: directory,
      };
      shell(first, environment);
      const socket = join(directory, 'by-hand.sock');
      const server = registry.start('server by hand', '/bin/sh', ['-c', second], { env: environment });
      await waitUntil('the start of the server', async () => existsSync(socket));
      const stored = await clients.s3.send(
        new GetObjectCommand({ Bucket: names.bucket('home'), Key: `${prefix}/manifest.json` }),
      );
      const { position } = decodeManifest((await stored.Body?.transformToByteArray()) ?? new Uint8Array());
      const lost = await writer.ended;
      expect(await differences({ socket, gtid: position?.gtid ?? '' }, the().facts, lost)).toEqual([]);
      await registry.stop(server.pid ?? 0, 30_000);
    });
  });
}
