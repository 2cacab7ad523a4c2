import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRegistry, type ProcessRegistry } from '../../../../infra/local/processes.ts';
import { parseDocument } from '../../../../infra/local/ssm-document.ts';
import { makeDownload } from '../../../../infra/local/ssm-download.ts';
import { runDocument } from '../../../../infra/local/ssm-steps.ts';

let root: string;
let registry: ProcessRegistry;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-steps-'));
  registry = openRegistry(join(root, 'processes'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Inputs = Record<string, string | boolean>;
const shell = (name: string, script: string, inputs: Inputs = {}) => ({
  action: 'aws:runShellScript',
  name,
  inputs: { runCommand: [script], ...inputs },
});
const fetching = (name: string, inputs: Inputs = {}) => ({
  action: 'aws:downloadContent',
  name,
  inputs: { sourceType: 'S3', sourceInfo: '{"path":"{{ From }}"}', destinationPath: name, ...inputs },
});

let runs = 0;
function start(steps: unknown[]) {
  const parameters = { From: { type: 'String', default: 'here' } };
  const document = parseDocument('Steps', { schemaVersion: '2.2', parameters, mainSteps: steps });
  const download = async (_host: string, sourceInfo: string, file: string) => {
    if (file.endsWith('missing')) throw new Error('403');
    writeFileSync(file, `${sourceInfo}\n`);
  };
  const run = { id: `run-${runs++}`, region: 'eu-central-1', registry, download };
  return runDocument({ hostId: 'mi-1', root }, document, { From: 'there' }, run);
}
const run = (...steps: unknown[]) => start(steps).end;

describe('the steps of a document, as the agent runs them', () => {
  it('go on past one that failed, and the document has failed', async () => {
    const end = await run(shell('one', 'echo one; exit 3'), shell('two', 'echo two'));
    expect(end).toMatchObject({ status: 'Failed', exitCode: 3, stdout: 'one\ntwo\n' });
  });

  it.each([
    ['end with one that failed and says exit', 'exit 3', { onFailure: 'exit' }, 'Failed', 3],
    [
      'end well with one that failed and says successAndExit',
      'exit 3',
      { onFailure: 'successAndExit' },
      'Success',
      0,
    ],
    ['end with one that went well and says exit', 'exit 0', { onSuccess: 'exit' }, 'Success', 0],
  ])('%s', async (_, script, inputs, status, exitCode) => {
    const end = await run(shell('one', `echo one; ${script}`, inputs), shell('two', 'echo two'));
    expect(end).toMatchObject({ status, exitCode, stdout: 'one\n' });
  });

  it.each([{ onFailure: 'exit' }, { onFailure: 'successAndExit' }])(
    'go on after one that went well and says %j',
    async (inputs) => {
      expect((await run(shell('one', 'true', inputs), shell('two', 'echo two'))).stdout).toBe('two\n');
    },
  );

  it.each([
    ['exit 3', 'exit', 'Failed'],
    ['exit 3', 'successAndExit', 'Success'],
  ])('run the last one that says finally, after %s with %s too', async (script, onFailure, status) => {
    const steps = [shell('one', script, { onFailure }), shell('two', 'echo two')];
    const last = (then: string) => shell('end', `echo end; ${then}`, { finallyStep: true });
    expect(await run(...steps, last('true'))).toMatchObject({ status, stdout: 'end\n' });
    expect(await run(...steps, last('exit 4'))).toMatchObject({ status: 'Failed', exitCode: 4 });
    expect((await run(...steps, last('true'), shell('more', 'echo more'))).stdout).toBe('');
  });

  it('run where the files were downloaded to, which what fetched them leaves without parameters', async () => {
    const end = await run(shell('before', 'ls'), fetching('file'), shell('after', 'cat file'));
    expect(end).toMatchObject({ status: 'Success', stdout: expect.stringMatching(/\{"path":"there"\}\n$/) });
    expect(end.stdout).not.toMatch(/^file$/m);
  });

  it('end with a download that failed, and its reason', async () => {
    const end = await run(fetching('missing', { onFailure: 'exit' }), shell('two', 'echo two'));
    expect(end).toEqual({
      status: 'Failed',
      exitCode: 1,
      stdout: '',
      stderr: 'missing: 403\n',
      timedOut: false,
    });
  });

  it('do not go on when they are cancelled', async () => {
    const mark = join(root, 'went-on');
    const { end, cancel } = start([shell('one', 'echo up; sleep 60'), shell('two', `touch ${mark}`)]);
    await cancel();
    await end;
    expect(existsSync(mark)).toBe(false);
  });

  it('time out one by one, which no successAndExit makes good', async () => {
    const inputs = { timeoutSeconds: '1', onFailure: 'successAndExit' };
    expect(await run(shell('one', 'sleep 60', inputs))).toMatchObject({ status: 'Failed', timedOut: true });
  });
});

describe('a download', () => {
  it.each([
    'https://s3.eu-west-1.amazonaws.com/bucket/key',
    'https://example.com/bucket/key',
    'http://s3.eu-central-1.amazonaws.com/bucket/key',
    'https://s3.eu-central-1.amazonaws.com/bucket/folder/',
    'https://s3.eu-central-1.amazonaws.com/bucket',
  ])('of %s is refused: it is no object of S3 in the region of the host', async (path) => {
    const download = makeDownload({
      emulator: { endpoint: 'http://127.0.0.1:1', region: 'eu-central-1' },
      sts: new STSClient({ region: 'eu-central-1' }),
      identities: new Map(),
    });
    const fetched = download('mi-1', JSON.stringify({ path }), join(root, 'none'));
    await expect(fetched).rejects.toThrow(`${path} is no object of S3 in eu-central-1`);
  });
});
