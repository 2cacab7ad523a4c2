import { type StdioOptions, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleRunner, type RunnerBundle } from '../../../runner/bundle.ts';
import { readProcess } from '../../../runner/host/process-group.ts';
import { checkOrder, queuedRow } from './job/orders.ts';

let root: string;
let bundle: RunnerBundle;
let cloud: Server;
const asked: string[] = [];
let item: object | undefined;

/** As much of STS and DynamoDB as a runner needs to find out that there is nothing to do. */
async function startCloud(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const target = request.headers['x-amz-target'];
    asked.push(String(target ?? Buffer.concat(body)));
    if (target === undefined) {
      response.end(
        `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
         <UserId>AROATEST:mi-0abc</UserId><Account>111122223333</Account><Arn>arn:aws:sts::111122223333:assumed-role/holdfast-host/mi-0abc</Arn>
         </GetCallerIdentityResult></GetCallerIdentityResponse>`,
      );
      return;
    }
    response.setHeader('content-type', 'application/x-amz-json-1.0');
    response.end(JSON.stringify(item ? { Item: item } : {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'main-'));
  bundle = await bundleRunner(join(root, 'runner.mjs'));
  mkdirSync(join(root, 'etc'));
  const settings = {
    v: 1,
    region: 'eu-central-1',
    jobsTable: 'holdfast-jobs',
    brokerFunction: 'holdfast-broker',
    workDir: join(root, 'work'),
  };
  writeFileSync(join(root, 'etc/runner.json'), JSON.stringify(settings));
  cloud = await startCloud();
}, 60_000);
afterAll(() => {
  cloud?.closeAllConnections();
  cloud?.close();
  rmSync(root, { recursive: true, force: true });
});

/** The bundle with Node and nothing else: no modules beside it, no environment but what is given. */
async function run(args: string[], env: Record<string, string> = {}, out: 'pipe' | number = 'pipe') {
  const stdio = ['ignore', out, out === 'pipe' ? 'pipe' : out] satisfies StdioOptions;
  const child = spawn(process.execPath, [bundle.file, ...args], { env, cwd: root, stdio });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (bytes) => {
    stdout += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    stderr += bytes;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}
const cloudEnv = () => ({
  HOLDFAST_ROOT: root,
  AWS_ENDPOINT_URL: `http://127.0.0.1:${(cloud.address() as AddressInfo).port}`,
  AWS_ACCESS_KEY_ID: 'a',
  AWS_SECRET_ACCESS_KEY: 'b',
});

describe('the bundled runner', () => {
  it('is one file whose version names its content, and the same from the same sources', async () => {
    const again = await bundleRunner(join(root, 'again.mjs'));
    expect(again).toMatchObject({ version: bundle.version, sha256: bundle.sha256 });
    expect(bundle.version).toMatch(/^\d+\.\d+\.\d+\+[0-9a-f]{12}$/);
    expect(readFileSync(bundle.file, 'utf8')).toContain(bundle.version);
  });

  it.each(
    [[], ['agent', 'x'], ['run'], ['run', '../x'], ['run', 'a', 'b'], ['sweep', 'x'], ['--help']].map(
      (args) => [args],
    ),
  )('F40 says how it is used when it is called with %j', async (args) => {
    const end = await run(args);
    expect(end.code).toBe(64);
    expect(end.stderr).toContain(bundle.version);
    expect(end.stderr).toContain('run <jobId>');
  });

  it('names the settings file where there is none', async () => {
    const end = await run(['run', 'j-1'], { HOLDFAST_ROOT: '/nonexistent' });
    expect(end).toMatchObject({ code: 1, stderr: expect.stringContaining('/nonexistent/etc/runner.json') });
  });

  it('F11 sweeps without asking the cloud for anything', async () => {
    const dead = join(root, 'work/j-dead.4194305.1.0123abcd');
    mkdirSync(dead, { recursive: true, mode: 0o700 });
    writeFileSync(join(dead, 'client.cnf'), 'secret');
    mkdirSync(join(root, 'spool'), { recursive: true });
    for (const file of ['work/j-dead.lock', 'work/j-dead.0123456789abcdef.draft'])
      writeFileSync(join(root, file), '4194305 1');
    const live = readProcess(process.pid)!.startTime;
    writeFileSync(join(root, 'work/j-live.lock'), `${process.pid} ${live}`);
    writeFileSync(join(root, 'spool/spool-main-x'), '');
    const end = await run(['sweep'], { HOLDFAST_ROOT: root });
    expect(end).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('"job":"j-dead"') });
    expect(readdirSync(join(root, 'work'))).toEqual(['j-live.lock']);
    expect(readdirSync(join(root, 'spool'))).toEqual([]);
    rmSync(join(root, 'work/j-live.lock'));
  });

  it('asks who it is, looks for its job and ends well where it has none', async () => {
    item = undefined;
    const end = await run(['run', 'j-1'], cloudEnv());
    expect(end.stderr).toBe('');
    expect(end.code).toBe(0);
    expect(JSON.parse(end.stdout)).toMatchObject({ jobId: 'j-1', reason: 'this host has no such job' });
    expect(asked).toEqual([expect.stringContaining('GetCallerIdentity'), 'DynamoDB_20120810.GetItem']);
  });

  it('goes on when the disk that its log is on is full', async () => {
    item = undefined;
    const full = openSync('/dev/full', 'w');
    const end = await run(['run', 'j-1'], cloudEnv(), full).finally(() => closeSync(full));
    expect(end.code).toBe(0);
  });

  it('F42 ends well when the command is delivered a second time', async () => {
    const { state, claimBy, v } = queuedRow('j-1', checkOrder, { state: 'claimed' });
    item = { state: { S: state }, claimBy: { S: claimBy }, v: { N: String(v) } };
    const end = await run(['run', 'j-1'], cloudEnv());
    expect([end.code, JSON.parse(end.stdout).reason]).toEqual([0, 'the job is claimed']);
  });
});
