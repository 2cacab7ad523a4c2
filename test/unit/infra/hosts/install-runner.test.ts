import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runnerSettingsSchema } from '../../../../contract/records/runner-settings.ts';
import { type ShellStep, scriptOf } from '../../../../infra/local/ssm-document.ts';
import { linkedNode, smallRelease } from '../../../doubles/runner-release.ts';
import { currentRelease, type Host, installDocument, makeHost, traces } from './installing.ts';

let host: Host;
beforeEach(() => {
  host = makeHost();
});
afterEach(() => host.close());

const at = (...path: string[]) => join(host.root, ...path);
const released = () => readdirSync(at('releases')).toSorted();
const settings = () => JSON.parse(readFileSync(at('etc/runner.json'), 'utf8'));

describe('a first installation', () => {
  it('lays the release down, points the stable paths to it, and says what it is', async () => {
    const release = smallRelease(host.work, '1');
    const end = await host.install(release);
    expect(end).toMatchObject({ status: 'Success', exitCode: 0, stderr: '' });
    expect(end.stdout).toContain(`release ${release.name} is now current\n`);
    expect(end.stdout).toContain('it is holdfast runner 1\n');
    expect(currentRelease(host.root)).toEqual({ name: release.name, whole: true });
    expect(readlinkSync(at('bin/holdfast-launch'))).toBe('../current/bin/holdfast-launch');
    expect(readFileSync(at('bin/holdfast-launch'))).toEqual(
      readFileSync('runner/host/launch/holdfast-launch'),
    );
    expect(runnerSettingsSchema.parse(settings())).toMatchObject({ jobsTable: 'holdfast-jobs' });
  });

  it('gives nobody else a right in it', async () => {
    await host.install(smallRelease(host.work, '1', { node: linkedNode, runner: `process.exit(64)` }));
    const modes = ['bin/node', 'bin/holdfast-launch', 'lib/runner.mjs', 'RELEASE'].map((file) =>
      (statSync(at('current', file)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(['700', '700', '600', '600']);
    expect((statSync(at('etc/runner.json')).mode & 0o777).toString(8)).toBe('600');
  });

  it('leaves none of what was downloaded', async () => {
    await host.install(smallRelease(host.work, '1'));
    const [run = ''] = readdirSync(at('var/ssm'));
    expect(readdirSync(at('var/ssm', run, 'downloads'))).toEqual([]);
  });

  it('takes the place of one that was made by hand, whose files go once there is a release to go back to', async () => {
    for (const folder of ['bin', 'lib', 'etc', 'cache']) mkdirSync(at(folder), { recursive: true });
    copyFileSync('runner/host/launch/holdfast-launch', at('bin/holdfast-launch'));
    for (const file of ['bin/node', 'lib/runner.mjs', 'cache/x']) writeFileSync(at(file), '');
    writeFileSync(at('etc/runner.json'), '{"v":1,"region":"eu-west-1"}');
    await host.install(smallRelease(host.work, '1'));
    expect(readlinkSync(at('bin/holdfast-launch'))).toBe('../current/bin/holdfast-launch');
    expect([existsSync(at('bin/node')), existsSync(at('lib/runner.mjs'))]).toEqual([true, true]);
    await host.install(smallRelease(host.work, '2'));
    expect([existsSync(at('bin/node')), existsSync(at('lib/runner.mjs')), existsSync(at('cache'))]).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe('the same release again', () => {
  it('downloads nothing, changes nothing and says so', async () => {
    const release = smallRelease(host.work, '1', { node: linkedNode, runner: `process.exit(64)` });
    await host.install(release);
    const before = traces(host.root);
    const end = await host.install(release);
    expect(end).toMatchObject({ status: 'Success', exitCode: 0 });
    expect(end.stdout).toBe(
      `holdfast: release ${release.name} is installed and current\nholdfast: this host has release ${release.name}\n`,
    );
    expect(host.downloaded).toEqual([]);
    expect(traces(host.root)).toEqual(before);
  });

  it.each(['bin/node', 'lib/runner.mjs', 'bin/holdfast-launch', 'RELEASE'])(
    'mends it where %s is damaged',
    async (file) => {
      const release = smallRelease(host.work, '1');
      await host.install(release);
      appendFileSync(at('current', file), 'x');
      expect((await host.install(release)).status).toBe('Success');
      expect(currentRelease(host.root)).toEqual({ name: release.name, whole: true });
      expect(readdirSync(at('releases'))).toEqual([release.name]);
    },
  );

  it('writes the settings again where they were changed, and keeps what was added for this host alone', async () => {
    const release = smallRelease(host.work, '1', { node: linkedNode, runner: `process.exit(64)` });
    await host.install(release);
    const own = { workDir: '/data/work', path: ['/opt/mariadb/bin'] };
    writeFileSync(at('etc/runner.json'), JSON.stringify({ ...settings(), ...own, jobsTable: 'other' }));
    expect((await host.install(release)).status).toBe('Success');
    expect(settings()).toMatchObject({ jobsTable: 'holdfast-jobs', ...own });
  });
});

describe('another release', () => {
  it('becomes the current one beside the earlier; older ones go', async () => {
    const names: string[] = [];
    for (const version of ['1', '2', '3']) {
      const release = smallRelease(host.work, version);
      names.push(release.name);
      expect((await host.install(release)).status).toBe('Success');
    }
    expect(currentRelease(host.root)).toEqual({ name: names[2], whole: true });
    expect(readlinkSync(at('previous'))).toBe(`releases/${names[1]}`);
    expect(released()).toEqual(names.slice(1).toSorted());
  });

  it('keeps one that a job still runs from, and removes it when the job is over', async () => {
    const releases = ['1', '2', '3'].map((version) => smallRelease(host.work, version));
    await host.install(releases[0]!);
    const program = at('releases', releases[0]!.name, 'bin/sleeping');
    copyFileSync('/bin/sleep', program);
    const job = spawn(program, ['60'], { stdio: 'ignore' });
    try {
      for (const release of releases.slice(1)) await host.install(release);
      expect(released()).toEqual(releases.map(({ name }) => name).toSorted());
    } finally {
      const ended = new Promise((resolve) => job.once('exit', resolve));
      job.kill('SIGKILL');
      await ended;
    }
    expect((await host.install(releases[2]!)).stdout).toContain(`removed ${releases[0]!.name}`);
    expect(released()).toEqual(
      releases
        .slice(1)
        .map(({ name }) => name)
        .toSorted(),
    );
  });

  it('keeps one whose job a shell waits for, to sweep after it with the same runner', async () => {
    const releases = ['1', '2', '3'].map((version) => smallRelease(host.work, version));
    await host.install(releases[0]!);
    const node = at('releases', releases[0]!.name, 'bin/node');
    const shell = spawn('/bin/sh', ['-c', 'sleep 60; "$1" sweep', 'sh', node], {
      stdio: 'ignore',
      detached: true,
    });
    try {
      for (const release of releases.slice(1)) await host.install(release);
      expect(released()).toEqual(releases.map(({ name }) => name).toSorted());
    } finally {
      process.kill(-(shell.pid ?? 0), 'SIGKILL');
    }
  });

  it('is current also where an old one cannot be removed', async () => {
    const releases = ['1', '2'].map((version) => smallRelease(host.work, version));
    for (const release of releases) await host.install(release);
    mkdirSync(at('releases/stuck'));
    const bin = join(host.work, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'rm'), '#!/bin/sh\necho cannot remove >&2\nexit 1\n', { mode: 0o755 });
    const document = installDocument();
    const [step] = document.content.mainSteps as [ShellStep];
    const back = spawnSync(
      '/usr/bin/dash',
      ['-c', scriptOf(document, step, { Release: releases[0]!.name }).script],
      {
        env: { PATH: `${bin}:/usr/bin:/bin`, HOLDFAST_ROOT: host.root },
        encoding: 'utf8',
      },
    );
    expect(back).toMatchObject({ status: 100, stderr: 'cannot remove\n' });
    expect(currentRelease(host.root).name).toBe(releases[0]!.name);
    expect(released()).toContain('stuck');
  });

  it('goes back to the earlier one without a download', async () => {
    const one = smallRelease(host.work, '1');
    const two = smallRelease(host.work, '2');
    await host.install(one);
    await host.install(two);
    rmSync(one.directory, { recursive: true });
    const end = await host.install(one);
    expect(end).toMatchObject({ status: 'Success', stderr: '' });
    expect(host.downloaded).toEqual([]);
    expect(currentRelease(host.root)).toEqual({ name: one.name, whole: true });
    expect(readlinkSync(at('previous'))).toBe(`releases/${two.name}`);
  });
});

describe('two installations at once', () => {
  it('do it once', async () => {
    const release = smallRelease(host.work, '1');
    const ends = await Promise.all([host.install(release), host.install(release)]);
    expect(ends.map(({ status }) => status)).toEqual(['Success', 'Success']);
    const said = ends.map(({ stdout }) => stdout).join('');
    expect(said.match(/is now current/g)).toHaveLength(1);
    expect(said.match(/is installed and current/g)).toHaveLength(1);
    expect(currentRelease(host.root)).toEqual({ name: release.name, whole: true });
  });

  it('of two releases end with one of them whole', async () => {
    const releases = ['1', '2'].map((version) => smallRelease(host.work, version));
    const ends = await Promise.all(releases.map((release) => host.install(release)));
    expect(ends.map(({ status }) => status)).toEqual(['Success', 'Success']);
    expect(currentRelease(host.root).whole).toBe(true);
    expect(released()).toHaveLength(2);
  });
});

describe('the launcher that was installed', () => {
  it('starts a job with Node, runner and compile cache of one release, whatever is installed meanwhile', async () => {
    const runner = `import { readFileSync, existsSync } from 'node:fs';
      const [verb, root] = [process.argv[2], process.env.HOLDFAST_ROOT];
      if (verb !== 'run') process.exit(verb === undefined ? 64 : 0);
      while (existsSync(root) && !existsSync(root + '/go')) await new Promise((r) => setTimeout(r, 10));
      console.log(JSON.stringify([import.meta.filename, process.env.NODE_COMPILE_CACHE]));`;
    const first = smallRelease(host.work, '1', { node: linkedNode, runner });
    await host.install(first);
    const launched = spawnSync(at('bin/holdfast-launch'), ['j-1'], {
      env: { PATH: '/usr/bin:/bin', HOLDFAST_ROOT: host.root },
      encoding: 'utf8',
    });
    expect(launched).toMatchObject({ status: 0, stderr: '' });
    await host.install(smallRelease(host.work, '2'));
    writeFileSync(at('go'), '');
    const log = at('log/j-1.log');
    while (!existsSync(log) || !readFileSync(log, 'utf8').includes('\n')) await sleep(10);
    const of = at('releases', first.name);
    expect(JSON.parse(readFileSync(log, 'utf8'))).toEqual([join(of, 'lib/runner.mjs'), join(of, 'cache')]);
  });
});
