import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import { onSmallDisk } from './small-disk.ts';
import { withTools } from './tools.ts';
import { failed, run, type World } from './world.ts';

/** A port nobody listens on, below the range from which the system hands out ports. */
const freePort = 20_999;

export function refusingRestores(the: () => World): void {
  const never = () => join(the().target.hosts.empty.root, 'never');
  const request = (change: object = {}, at: object = {}) => {
    const input = restoreInput({ directory: never(), port: freePort });
    return { ...input, ...change, target: { ...input.target, ...at } };
  };
  type Refusal = [input: unknown, error: string, ...words: string[]];
  /** Requests that are refused side by side, each by its name, and then nothing is held. */
  const refused = async (...refusals: Refusal[]) => {
    const ends = await Promise.all(refusals.map(([input]) => run(the(), 'restore', input)));
    for (const [n, [, error, ...words]] of refusals.entries()) failed(ends[n]!, error, ...words);
    expect(existsSync(never())).toBe(false);
    expect([...(await the().tables.locks()), ...(await the().tables.pins())]).toEqual([]);
  };

  describe('refusing a restore before anything is touched, and holding nothing afterwards', () => {
    it('of an unknown cluster, an unknown backup, onto an unknown host', async () => {
      await refused(
        [request({ clusterId: 'nobody' }), 'Cluster.Unknown', 'nobody'],
        [request({ backupId: 'no-such-backup' }), 'Backup.Unknown', 'no-such-backup'],
        [request({}, { hostId: 'mi-nobody' }), 'Host.Unknown', 'mi-nobody'],
      );
    });

    it('onto a host that serves a database and is for nothing else', async () => {
      await refused([request({}, { hostId: 'mi-replica' }), 'Host.WrongPurpose', 'mi-replica', 'database']);
    });

    it('of tables that are not there or for nobody, or to a time, which this version cannot do', async () => {
      const onPrimary = { hostId: 'mi-primary' };
      const oders = request({ tables: ['shop.oders'], into: 'primary' }, onPrimary);
      await refused(
        [request({ tables: ['shop.orders'] }), 'Input.Invalid', 'into:', 'primary, replica'],
        [oders, 'Restore.TableUnknown', 'tables[0]', 'shop.orders'],
        [request({ to: { time: '2026-11-23T02:00:00Z' } }), 'Restore.NotYet', 'to:', '2026-11-23'],
      );
    });

    it('to a directory that is none, or to a port that is none', async () => {
      await refused(
        [request({}, { directory: 'relative/path' }), 'Input.Invalid', 'target.directory'],
        [request({}, { directory: '/a/../b' }), 'Input.Invalid', 'target.directory', '/a/../b'],
        [request({}, { port: 80 }), 'Input.Invalid', 'target.port', '80'],
      );
    });

    it('into a directory that holds files, or a file in its place (F67)', async () => {
      const directory = join(the().target.hosts.empty.root, 'full');
      const precious = join(directory, `precious "file"; $1`);
      mkdirSync(directory);
      writeFileSync(precious, 'x');
      await refused(
        [request({}, { directory }), 'Restore.DirectoryNotEmpty', directory, 'precious'],
        [request({}, { directory: precious }), 'Restore.DirectoryNotEmpty', 'not a directory'],
      );
      expect(readdirSync(directory)).toEqual([`precious "file"; $1`]);
    });

    it('onto a port on which something listens, or as an account that is not there', async () => {
      const { port } = the().servers.replica;
      const directory = `${never()} either`;
      const nobody = request({}, { user: 'nobody-here', directory });
      await refused(
        [request({}, { port }), 'Restore.PortTaken', 'target.port', String(port)],
        [nobody, 'Restore.UserUnknown', 'target.user', 'nobody-here'],
      );
    });

    it('onto a disk with too little room, saying how much is needed (F68)', async () => {
      await onSmallDisk(join(the().target.hosts.empty.root, 'small'), async (directory) => {
        const inside = join(directory, 'restored');
        const onto = request({}, { directory: inside });
        await refused([onto, 'Restore.NoSpace', directory, 'free', 'needs', 'GB']);
        expect(existsSync(inside)).toBe(false);
      });
    });

    it('onto a host without mariadb-backup', async () => {
      await withTools(the().target.hosts.empty, { only: ['mariadbd'] }, () =>
        refused([request(), 'Restore.ToolMissing', 'mi-empty', 'mariadb-backup']),
      );
    });

    it('onto a host whose server or tool is of another series, saying which would fit (F19)', async () => {
      const { empty } = the().target.hosts;
      const old = (name: string) => [name, `echo '${name}  Ver 10.6.23-MariaDB'`];
      const scripts = Object.fromEntries([old('mariadbd'), old('mariadb-backup')]);
      const [server, tool] = ['mariadbd 10.6.23', 'mariadb-backup 10.6.23'];
      await withTools(empty, { scripts }, () =>
        refused([request(), 'Restore.VersionMismatch', server, tool, '10.11']),
      );
    });

    it('with everything that is wrong at once, so that nobody has to find out one by one', async () => {
      const { port } = the().servers.replica;
      const directory = join(the().target.hosts.empty.root, 'full');
      await withTools(the().target.hosts.empty, { only: ['mariadbd'] }, () =>
        refused([
          request({}, { directory, port }),
          'Restore.DirectoryNotEmpty',
          String(port),
          'mariadb-backup',
        ]),
      );
    });
  });
}
