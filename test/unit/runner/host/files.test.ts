import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findAccount } from '../../../../runner/host/accounts.ts';
import { makeClock } from '../../../../runner/host/clock.ts';
import { directoryState, freeBytes } from '../../../../runner/host/disks.ts';
import { clampExitCode } from '../../../../runner/host/exit-code.ts';
import {
  makePrivateDir,
  makeWorkDir,
  sweepWorkDirs,
  writeSecretFile,
} from '../../../../runner/host/files.ts';
import { takeLockFile } from '../../../../runner/host/lock-file.ts';
import { portFree } from '../../../../runner/host/ports.ts';
import { readSettings } from '../../../../runner/host/settings.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'host-files-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('work directories', () => {
  it('are their own account’s alone, and go when they are removed', () => {
    const { directory, remove } = makeWorkDir(join(dir, 'work'), 'j-1');
    expect([mode(join(dir, 'work')), mode(directory)]).toEqual(['700', '700']);
    writeSecretFile(join(directory, 'my.cnf'), '[client]');
    expect(mode(join(directory, 'my.cnf'))).toBe('600');
    expect(() => writeSecretFile(join(directory, 'my.cnf'), 'again')).toThrow(/EEXIST/);
    remove();
    expect(existsSync(directory)).toBe(false);
  });

  it('are swept when their runner is gone, and only then', () => {
    const { directory } = makeWorkDir(dir, 'j-live');
    // Our own pid with another start time: the number was given out again after that runner's end.
    mkdirSync(join(dir, `j-dead.${process.pid}.1.00000000`));
    writeFileSync(join(dir, `j-dead.${process.pid}.1.00000000`, 'my.cnf'), 'password');
    mkdirSync(join(dir, 'of-someone-else'));
    expect(sweepWorkDirs(dir)).toEqual(['j-dead']);
    expect(readdirSync(dir).sort()).toEqual([directory.slice(dir.length + 1), 'of-someone-else'].sort());
    expect(sweepWorkDirs(join(dir, 'absent'))).toEqual([]);
  });

  it('are not made through a link that another has put there', () => {
    mkdirSync(join(dir, 'elsewhere'));
    symlinkSync(join(dir, 'elsewhere'), join(dir, 'work'));
    expect(() => makePrivateDir(join(dir, 'work'))).toThrow(/own account/);
  });

  it('are closed again where someone had opened them', () => {
    mkdirSync(join(dir, 'open'), { mode: 0o755 });
    makePrivateDir(join(dir, 'open'));
    expect(mode(join(dir, 'open'))).toBe('700');
  });
});

describe('F13 the lock file of a job', () => {
  it('is had by one at a time, and again after its release', () => {
    const first = takeLockFile(dir, 'j-1');
    expect(first).toBeDefined();
    expect(takeLockFile(dir, 'j-1')).toBeUndefined();
    expect(takeLockFile(dir, 'j-2')).toBeDefined();
    first!.release();
    expect(takeLockFile(dir, 'j-1')).toBeDefined();
  });

  it('of a runner that is gone holds nobody', () => {
    for (const holder of ['999999999 1', `${process.pid} 1`, '', 'nonsense']) {
      writeFileSync(join(dir, 'j-1.lock'), holder);
      takeLockFile(dir, 'j-1')!.release();
    }
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('looking at disks', () => {
  it('says what a directory is', async () => {
    expect(await directoryState(join(dir, 'a/b'))).toEqual({ state: 'absent', entries: [] });
    expect(await directoryState(dir)).toEqual({ state: 'empty', entries: [] });
    mkdirSync(join(dir, 'lost+found'));
    expect((await directoryState(dir)).state).toBe('empty');
    for (let i = 0; i < 12; i++) writeFileSync(join(dir, `f${i}`), '');
    const full = await directoryState(dir);
    expect([full.state, full.entries.length]).toEqual(['not-empty', 10]);
    expect((await directoryState(join(dir, 'f1'))).state).toBe('not-a-directory');
    expect((await directoryState(join(dir, 'f1/x'))).state).toBe('absent');
    symlinkSync('/', join(dir, 'link'));
    expect((await directoryState(join(dir, 'link'))).state).toBe('not-a-directory');
  });

  it('finds the free bytes of a place that is not there yet', async () => {
    // Others write on the same disk meanwhile.
    const difference = (await freeBytes(join(dir, 'not/there/yet'))) - (await freeBytes(dir));
    expect(Math.abs(difference)).toBeLessThan(1e9);
    expect(await freeBytes(dir)).toBeGreaterThan(0);
  });

  it('sees a taken port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    expect(await portFree(port)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect(await portFree(port)).toBe(true);
  });
});

describe('small things of a host', () => {
  it('F40 never ends with a code that means more than failure', () => {
    for (const code of [-1, 126, 127, 137, 194, 255, 3.5, Number.NaN, 1e9]) {
      const clamped = clampExitCode(code);
      expect(clamped).toBeGreaterThan(0);
      expect(clamped).toBeLessThanOrEqual(125);
    }
    expect([0, 1, 64, 125].map(clampExitCode)).toEqual([0, 1, 64, 125]);
  });

  it('F53 goes by the cloud’s time where its own clock is wrong', () => {
    const local = Date.parse('2026-11-23T02:00:00Z');
    const clock = makeClock(() => local);
    clock.observe('Mon, 23 Nov 2026 02:00:02 GMT');
    expect(clock.now().getTime()).toBe(local);
    clock.observe('Mon, 23 Nov 2026 02:10:00 GMT');
    expect(clock.now().toISOString()).toBe('2026-11-23T02:10:00.000Z');
    clock.observe('nonsense');
    clock.observe(undefined);
    expect(clock.now().toISOString()).toBe('2026-11-23T02:10:00.000Z');
  });

  it('reads accounts as passwd has them', () => {
    const passwd = 'root:x:0:0:root:/root:/bin/sh\nmysql:x:105:110::/var/lib/mysql:/bin/false\n+::::::\n';
    expect(findAccount('mysql', passwd)).toEqual({
      name: 'mysql',
      uid: 105,
      gid: 110,
      home: '/var/lib/mysql',
    });
    expect(findAccount('x', passwd)).toBeUndefined();
    expect(findAccount('+', passwd)).toBeUndefined();
  });

  it('reads its settings, and names file and field where they are wrong', () => {
    expect(() => readSettings(dir)).toThrow(/runner\.json/);
    mkdirSync(join(dir, 'etc'));
    writeFileSync(join(dir, 'etc/runner.json'), '{"v":1,"region":"eu-central-1","jobsTable":"t"}');
    expect(() => readSettings(dir)).toThrow(/brokerFunction/);
    const settings = { v: 1, region: 'eu-central-1', jobsTable: 't', brokerFunction: 'b' };
    writeFileSync(join(dir, 'etc/runner.json'), JSON.stringify(settings));
    expect(readSettings(dir)).toEqual(settings);
  });

  it('passes over what a newer installation wrote into them, so that an older release can be gone back to', () => {
    mkdirSync(join(dir, 'etc'));
    const settings = { v: 1, region: 'eu-central-1', jobsTable: 't', brokerFunction: 'b' };
    writeFileSync(join(dir, 'etc/runner.json'), JSON.stringify({ ...settings, later: { a: 1 } }));
    expect(readSettings(dir)).toEqual(settings);
  });
});
