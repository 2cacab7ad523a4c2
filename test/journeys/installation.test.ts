import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { App } from 'aws-cdk-lib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installRunnerDocument } from '../../infra/hosts/install-runner-document.ts';
import { runJobDocument } from '../../infra/hosts/run-job-document.ts';
import { localSettings } from '../../infra/local/local-settings.ts';
import { parseDocument } from '../../infra/local/ssm-document.ts';
import { namesOf } from '../../infra/names.ts';
import { parseSettings } from '../../infra/settings.ts';
import { stacksOf } from '../../infra/stacks.ts';
import { type DebianRoot, openDebianRoot } from './support/debian-root.ts';

const at = { account: '111122223333', region: 'eu-central-1' };
const settings = parseSettings({ ...localSettings(at), runner: {} });
const names = namesOf(settings);
const document = parseDocument(names.installDocument, installRunnerDocument(settings, names, at));
const work = mkdtempSync(join(tmpdir(), 'holdfast-installation-'));
const sha256 = (content: Buffer | string) => createHash('sha256').update(content).digest('hex');

type Built = { name: string; directory: string };
let debian: DebianRoot;
let built: Built;
let other: Built;

/** The files that a deployment would store, by the keys that it would store them under. */
function synthesize(): Built {
  const outdir = join(work, 'cdk.out');
  const stack = names.hostsStack(at);
  const app = new App({
    context: { 'aws:cdk:bundling-stacks': [stack] },
    builtinCloudFormationValidation: false,
    outdir,
  });
  stacksOf(app, settings);
  app.synth();
  const { files } = JSON.parse(readFileSync(join(outdir, `${stack}.assets.json`), 'utf8')) as {
    files: Record<string, { source: { path: string }; destinations: Record<string, { objectKey: string }> }>;
  };
  const template = JSON.parse(readFileSync(join(outdir, `${stack}.template.json`), 'utf8'));
  const name: string = template.Outputs.RunnerRelease.Value;
  const directory = join(work, name);
  mkdirSync(directory);
  for (const { source, destinations } of Object.values(files)) {
    const [{ objectKey } = { objectKey: '' }] = Object.values(destinations);
    if (objectKey.startsWith(`${name}-`))
      linkSync(join(outdir, source.path), join(directory, objectKey.slice(name.length + 1)));
  }
  return { name, directory };
}

/** Another release: the same but for a line in the runner. */
function changed({ directory: from }: Built, line: string): Built {
  const runner = `${readFileSync(join(from, 'runner.mjs'), 'utf8')}\n${line}\n`;
  const list = readFileSync(join(from, 'release.txt'), 'utf8').replace(
    /[0-9a-f]{64}(?= {2}runner\.mjs)/,
    sha256(runner),
  );
  const directory = join(work, sha256(list));
  mkdirSync(directory);
  for (const file of readdirSync(from).filter((f) => !['release.txt', 'runner.mjs'].includes(f)))
    linkSync(join(from, file), join(directory, file));
  writeFileSync(join(directory, 'release.txt'), list);
  writeFileSync(join(directory, 'runner.mjs'), runner);
  return { name: sha256(list), directory };
}

let downloaded: string[] = [];
const install = (
  { name, directory }: Built,
  { spoil = (_file: string) => {}, environment = [] as string[] } = {},
) => {
  downloaded = [];
  const download = async (_host: string, sourceInfo: string, file: string) => {
    const key = new URL(JSON.parse(sourceInfo).path).pathname.split('/').at(-1) ?? '';
    expect(key.startsWith(`${name}-`)).toBe(true);
    copyFileSync(join(directory, key.slice(name.length + 1)), file);
    downloaded.push(key.slice(name.length + 1));
    spoil(file);
  };
  return debian.command(document, { Release: name }, download, environment);
};

const holdfast = (...path: string[]) => join(debian.opt, 'holdfast', ...path);
const current = () => readlinkSync(holdfast('current')).replace('releases/', '');
const releases = () => readdirSync(holdfast('releases')).toSorted();
/** What the runner says of itself when jobs start with it, and the Node that it runs on. */
const answers = () => {
  const node = '/opt/holdfast/current/bin/node';
  const runner = debian.run(node, '/opt/holdfast/current/lib/runner.mjs');
  expect(runner.status).toBe(64);
  return { node: debian.run(node, '--version').stdout.trim(), runner: runner.stderr.split('\n')[0] };
};

/** Puts one program of ours before those of the host. */
function standIn(program: string, script: string): string[] {
  rmSync(join(debian.opt, 'fake'), { recursive: true, force: true });
  mkdirSync(join(debian.opt, 'fake'));
  writeFileSync(join(debian.opt, 'fake', program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return [`PATH=/opt/fake:/usr/sbin:/usr/bin:/sbin:/bin`];
}

const locked = (architecture: string) =>
  JSON.parse(readFileSync('package-lock.json', 'utf8')).packages[`node_modules/node-linux-${architecture}`]
    .version as string;

beforeAll(async () => {
  [debian, built] = [await openDebianRoot(), synthesize()];
  other = changed(built, '// another release');
}, 300_000);

afterAll(async () => {
  await debian?.close();
  rmSync(work, { recursive: true, force: true });
});

describe('the release that a deployment stores', () => {
  it('is named after its list, and the list names every file by what is in it', () => {
    const list = readFileSync(join(built.directory, 'release.txt'), 'utf8');
    expect(sha256(list)).toBe(built.name);
    const sums = Object.fromEntries(
      list
        .trim()
        .split('\n')
        .map((line) => line.split('  ').reverse()),
    );
    for (const file of readdirSync(built.directory).filter((f) => f !== 'release.txt'))
      expect(sums[file], file).toBe(sha256(readFileSync(join(built.directory, file))));
    expect(Object.keys(sums).toSorted()).toEqual([
      'holdfast-launch',
      'node-arm64',
      'node-arm64.gz',
      'node-x64',
      'node-x64.gz',
      'runner.mjs',
    ]);
  });

  it.each([
    ['x64', 62],
    ['arm64', 183],
  ])('holds Node of the lockfile for %s, a program of that machine', (architecture, machine) => {
    const node = gunzipSync(readFileSync(join(built.directory, `node-${architecture}.gz`)));
    expect(node.subarray(0, 6)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]));
    // e_machine: EM_X86_64 and EM_AARCH64 of the ELF specification.
    expect(node.readUInt16LE(18)).toBe(machine);
    expect(node.includes(`v${locked(architecture)}`)).toBe(true);
    expect(readFileSync(join(built.directory, 'release.txt'), 'utf8')).toContain(
      `${sha256(node)}  node-${architecture}\n`,
    );
  });
});

describe('a Debian with nothing but its base packages', () => {
  it('gets the runner and its own Node', async () => {
    const end = await install(built);
    expect(end).toMatchObject({ status: 'Success', stderr: '' });
    expect(answers()).toEqual({
      node: `v${locked(process.arch)}`,
      runner: expect.stringMatching(/^holdfast runner \d+\.\d+\.\d+\+[0-9a-f]{12}$/),
    });
    expect(end.stdout).toContain(`it is ${answers().runner}\n`);
  });

  it('is left alone the next time, with nothing downloaded', async () => {
    const end = await install(built);
    expect(end).toMatchObject({
      status: 'Success',
      stdout: `holdfast: release ${built.name} is installed and current\nholdfast: this host has release ${built.name}\n`,
    });
    expect(downloaded).toEqual([]);
  });

  it('starts a job that the document RunJob brings, which gets as far as this host lets it', async () => {
    writeFileSync(holdfast('etc/environment'), 'AWS_EC2_METADATA_DISABLED=true\n');
    const runJob = parseDocument(names.document, runJobDocument);
    const end = await debian.command(runJob, { JobId: 'j-1' }, () => Promise.reject(new Error('downloads')));
    expect(end).toMatchObject({ status: 'Success', stdout: '', stderr: '' });
    const log = holdfast('log/j-1.log');
    for (const until = Date.now() + 20_000; Date.now() < until; await sleep(50))
      if (existsSync(log) && readFileSync(log, 'utf8').includes('\n')) break;
    expect(readFileSync(log, 'utf8')).toMatch(/Could not load credentials from any providers/);
  });

  it('is brought to another release beside a running job, and back again without a download', async () => {
    const program = `/opt/holdfast/releases/${built.name}/bin/node`;
    const job = debian.start(program, '-e', 'setInterval(() => {}, 1000)');
    expect(await install(other)).toMatchObject({ status: 'Success', stderr: '' });
    expect([current(), readlinkSync(holdfast('previous'))]).toEqual([other.name, `releases/${built.name}`]);
    const third = changed(built, '// a third release');
    expect((await install(third)).status).toBe('Success');
    expect(releases()).toEqual([built.name, other.name, third.name].toSorted());
    const ended = new Promise((resolve) => job.once('exit', resolve));
    await debian.registry.stop(job.pid ?? 0);
    await ended;
    const back = await install(other);
    expect(back).toMatchObject({ status: 'Success', stderr: '' });
    expect(downloaded).toEqual([]);
    expect(current()).toBe(other.name);
    expect(releases()).toEqual([other.name, third.name].toSorted());
    expect(answers().node).toBe(`v${locked(process.arch)}`);
  });

  it('refuses a file with one byte more, and keeps what it has', async () => {
    const before = answers();
    const spoil = (file: string) => {
      if (file.endsWith('.gz')) appendFileSync(file, 'x');
    };
    const end = await install(built, { spoil });
    expect(end).toMatchObject({ status: 'Failed', exitCode: 1 });
    expect(end.stderr).toMatch(/node-\w+\.gz of release [0-9a-f]{64} has the SHA-256 [0-9a-f]{64}/);
    expect([current(), answers()]).toEqual([other.name, before]);
  });

  it('refuses before the download where the disk is too small', async () => {
    const end = await install(built, { environment: ['HOLDFAST_ROOT=/small/holdfast'] });
    expect(end).toMatchObject({ status: 'Failed', exitCode: 1 });
    expect(end.stderr).toMatch(/\/small\/holdfast has \d+ MiB free, release [0-9a-f]{64} needs 256 MiB/);
    expect(downloaded).toEqual([]);
  });

  it('leaves nothing behind where the disk fills up while it unpacks', async () => {
    const room = standIn('df', 'echo head; echo "tmpfs 1 1 999999999 0% /"');
    const end = await install(built, { environment: [...room, 'HOLDFAST_ROOT=/small/holdfast'] });
    expect(end).toMatchObject({ status: 'Failed', exitCode: 1 });
    expect(end.stderr).toMatch(/No space left on device[\s\S]*could not be unpacked into \/small\/holdfast/);
    expect(debian.run('ls', '-A', '/small/holdfast/releases').stdout).toBe('');
  });

  it('takes the Node of its own machine: another one is not said to work', async () => {
    const before = [current(), releases(), answers()];
    const machine = process.arch === 'x64' ? 'aarch64' : 'x86_64';
    const end = await install(built, { environment: standIn('uname', `echo ${machine}`) });
    expect(end).toMatchObject({ status: 'Failed', exitCode: 1 });
    expect(end.stderr).toMatch(
      /the runner of release [0-9a-f]{64} does not start on this host: .*Exec format error/,
    );
    expect([current(), releases(), answers()]).toEqual(before);
    const strange = await install(built, { environment: standIn('uname', 'echo riscv64') });
    expect(strange.stderr).toContain(`release ${built.name} is for x64 arm64, this host is riscv64`);
    expect(downloaded).toEqual([]);
  });

  it('survives a kill while Node is unpacked, and gets the release the next time', async () => {
    const kill = standIn('gzip', '/usr/bin/gzip "$@" | head -c 1000000; kill -9 0');
    expect((await install(built, { environment: kill })).status).toBe('Failed');
    expect(existsSync(holdfast('releases/.new/bin/node'))).toBe(true);
    expect(current()).toBe(other.name);
    expect(answers().node).toBe(`v${locked(process.arch)}`);
    expect((await install(built)).status).toBe('Success');
    expect(current()).toBe(built.name);
    expect(existsSync(holdfast('releases/.new'))).toBe(false);
  });
});
