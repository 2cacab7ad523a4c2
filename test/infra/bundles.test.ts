import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { afterAll, describe, expect, it } from 'vitest';
import { ControlStack } from '../../infra/control/control-stack.ts';
import { parseSettings } from '../../infra/settings.ts';
import { bundleRunner } from '../../runner/bundle.ts';
import { exampleSettings, ofType, type Template } from './synthesized.ts';

const work = mkdtempSync(join(tmpdir(), 'holdfast-bundles-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The functions as they are deployed: name, bundle and variables. */
function bundled() {
  const app = new App({ outdir: join(work, 'cdk.out') });
  const stack = new ControlStack(app, { settings: parseSettings(exampleSettings()) });
  const template = app.synth().getStackByName(stack.stackName).template as Template;
  return ofType(template, 'AWS::Lambda::Function').map(([, { Properties }]) => {
    const hash = String(Properties.Code.S3Key).replace('.zip', '');
    return {
      name: Properties.FunctionName as string,
      file: join(work, 'cdk.out', `asset.${hash}`, 'index.mjs'),
      variables: Properties.Environment.Variables as Record<string, string>,
    };
  });
}

const functions = bundled();

describe('the bundle of each function', () => {
  it.each(functions)(
    '$name starts with nothing but its own variables and Node 24, from a directory that it cannot write',
    ({ file, variables }) => {
      const script = `const { handler } = await import(${JSON.stringify(file)}); process.exit(typeof handler === 'function' ? 0 : 3);`;
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        cwd: '/proc',
        env: { ...variables, AWS_REGION: 'eu-central-1' },
        encoding: 'utf8',
        timeout: 20_000,
      });
      expect(run.stderr).toBe('');
      expect(run.status).toBe(0);
    },
  );

  it.each(functions.filter((f) => f.variables.CATALOG_TABLE))(
    '$name refuses to start without its variables, by name',
    ({ file }) => {
      const run = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', `await import(${JSON.stringify(file)})`],
        {
          cwd: '/proc',
          env: { AWS_REGION: 'eu-central-1' },
          encoding: 'utf8',
          timeout: 20_000,
        },
      );
      expect(run.status).not.toBe(0);
      expect(run.stderr).toContain('CATALOG_TABLE');
    },
  );
});

describe('the bundle of the runner', () => {
  it('knows no multipart upload: a volume is one put', async () => {
    const { file } = await bundleRunner(join(work, 'runner.mjs'));
    expect(readFileSync(file, 'utf8')).not.toMatch(/CreateMultipartUpload|UploadPartCommand/);
  });
});
