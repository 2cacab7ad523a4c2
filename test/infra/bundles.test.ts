import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { afterAll, describe, expect, it } from 'vitest';
import { ControlStack } from '../../infra/control/control-stack.ts';
import { parseSettings } from '../../infra/settings.ts';
import { bundleRunner } from '../../runner/bundle.ts';
import { exampleSettings, ofType, type Template } from './synthesized.ts';

const work = mkdtempSync(join(tmpdir(), 'holdfast-bundles-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

type Bundled = { name: string; file: string; variables: Record<string, string> };

/** The functions as they are deployed: name, bundle and variables. */
function bundled(): Bundled[] {
  const app = new App({ outdir: join(work, 'cdk.out'), builtinCloudFormationValidation: false });
  const stack = new ControlStack(app, { settings: parseSettings(exampleSettings()) });
  const template = app.synth().getStackByName(stack.stackName).template as Template;
  return ofType(template, 'AWS::Lambda::Function').map(([, { Properties }]) => {
    const hash = String(Properties.Code.S3Key).replace('.zip', '');
    return {
      name: Properties.FunctionName as string,
      file: join(work, 'cdk.out', `asset.${hash}`, 'index.mjs'),
      variables: (Properties.Environment?.Variables ?? {}) as Record<string, string>,
    };
  });
}

/** What a start came to: the type of its handler and the CPU it took, or the error that ended it, and all that it wrote. */
type Started = { handler?: string; cpuMs?: number; error?: string; written: string };

/**
 * Starts bundles in one Node with an empty environment, in a directory that cannot be written; each in a thread
 * with its own globals and with no variables but the given.
 */
function start(bundles: { file: string; variables: Record<string, string> }[]): Started[] {
  const script = `
    import { Worker } from 'node:worker_threads';
    const inThread = \`
      const { parentPort, workerData } = require('node:worker_threads');
      const before = process.threadCpuUsage();
      import(workerData).then(({ handler }) => {
        const { user, system } = process.threadCpuUsage(before);
        parentPort.postMessage({ handler: typeof handler, cpuMs: (user + system) / 1000 });
        process.exit();
      });\`;
    const start = ({ file, variables: env }) => new Promise((resolve) => {
      const started = { written: '' };
      const thread = new Worker(inThread, { eval: true, execArgv: [], workerData: file, env, stdout: true, stderr: true });
      for (const stream of [thread.stdout, thread.stderr]) stream.on('data', (text) => { started.written += text; });
      thread.on('message', (answer) => { Object.assign(started, answer); });
      thread.on('error', (error) => { started.error = String(error?.stack ?? error); });
      thread.on('exit', () => resolve(started));
    });
    const all = [];
    for (const bundle of JSON.parse(process.argv[1])) all.push(await start(bundle));
    process.stdout.write(JSON.stringify(all));`;
  const run = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script, '--', JSON.stringify(bundles)],
    { cwd: '/proc', env: {}, encoding: 'utf8', timeout: 60_000 },
  );
  expect(run.stderr).toBe('');
  return JSON.parse(run.stdout) as Started[];
}

const region = { AWS_REGION: 'eu-central-1' };
const functions = bundled();
const needy = functions.filter((f) => f.variables.CATALOG_TABLE);
const starts = start([
  ...functions.map(({ file, variables }) => ({ file, variables: { ...variables, ...region } })),
  ...needy.map(({ file }) => ({ file, variables: region })),
]);

describe('the bundle of each function', () => {
  it.each(functions.map((f, at) => ({ ...f, started: starts[at] })))(
    '$name starts with nothing but its own variables and Node 24, from a directory that it cannot write',
    ({ started }) => {
      expect(started).toEqual({ handler: 'function', cpuMs: expect.any(Number), written: '' });
    },
  );

  it('is ready after less than a second of work, of the ten that Lambda gives a start', () => {
    const slow = functions.filter((_, at) => !(starts[at]!.cpuMs! < 1_000)).map(({ name }) => name);
    expect(slow).toEqual([]);
  });

  it.each(needy.map((f, at) => ({ ...f, started: starts[functions.length + at]! })))(
    '$name refuses to start without its variables, by name',
    ({ started }) => {
      expect(started.handler).toBeUndefined();
      expect(started.error).toContain('CATALOG_TABLE');
    },
  );

  it('is one file, small enough for a quick start', () => {
    expect(functions).toHaveLength(23);
    for (const { name, file } of functions) {
      expect(readdirSync(dirname(file)), name).toEqual(['index.mjs']);
      expect(statSync(file).size, name).toBeLessThan(1_500_000);
    }
  });
});

describe('the bundle of the runner', () => {
  it('knows no multipart upload: a volume is one put', async () => {
    const { file } = await bundleRunner(join(work, 'runner.mjs'));
    expect(readFileSync(file, 'utf8')).not.toMatch(/CreateMultipartUpload|UploadPartCommand/);
  });
});
