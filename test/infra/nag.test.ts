import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../infra/settings.ts';
import { stacksOf } from '../../infra/stacks.ts';
import { appOf, exampleSettings } from './synthesized.ts';

describe('cdk-nag and the rules of the CDK', () => {
  it('find nothing in the stacks that is not acknowledged with a reason', () => {
    const outdir = mkdtempSync(join(tmpdir(), 'holdfast-nag-'));
    try {
      const app = appOf(outdir, { rules: true });
      Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
      stacksOf(app, parseSettings(exampleSettings()));
      app.synth();
      expect(process.exitCode ?? 0).toBe(0);
    } finally {
      rmSync(outdir, { recursive: true, force: true });
    }
  });
});
