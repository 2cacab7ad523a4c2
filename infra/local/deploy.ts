import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectLockConfigurationCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Settings } from '../settings.ts';
import type { Emulator } from './emulator.ts';
import type { LocalPaths } from './paths.ts';
import type { ProcessRegistry } from './processes.ts';

/** Runs the CDK's command line as an operator would, its output in a log file. Throws with the end of that log. */
async function cdk(
  args: string[],
  input: { paths: LocalPaths; registry: ProcessRegistry; emulator: Emulator; logFile: string; cwd: string },
): Promise<void> {
  const { paths, registry, emulator, logFile, cwd } = input;
  const log = openSync(logFile, 'a');
  const program = join(paths.project, 'node_modules/aws-cdk/bin/cdk');
  const child = registry.start(`cdk ${args[0]}`, process.execPath, [program, ...args], {
    cwd,
    stdio: ['ignore', log, log],
    env: {
      PATH: `${paths.nodeBin}:${process.env.PATH ?? ''}`,
      HOME: paths.emulatorState,
      CI: 'true',
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      ...emulator.environment,
    },
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) {
    throw new Error(`cdk ${args[0]} ended with ${code}:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
  }
}

/**
 * `cdk bootstrap` and `cdk deploy` of all stacks to the emulator, then the Object Lock that its CloudFormation
 * drops, set through the API so that everything after meets it.
 */
export async function deployStacks(input: {
  paths: LocalPaths;
  registry: ProcessRegistry;
  emulator: Emulator;
  s3: S3Client;
  settings: Settings;
  settingsFile: string;
  say: (line: string) => void;
}): Promise<{ cdkLog: string; assembly: string }> {
  const { paths, emulator, s3, settings, settingsFile, say } = input;
  const work = join(paths.emulatorState, 'cdk');
  mkdirSync(work, { recursive: true });
  const logFile = join(work, 'cdk.log');
  const assembly = join(work, 'cdk.out');
  const common = { ...input, logFile, cwd: paths.project };
  const app = `${process.execPath} infra/local/app.ts`;
  // From a directory without an app: bootstrapping an account needs none.
  await cdk(['bootstrap', `aws://${emulator.accountId}/${emulator.region}`], { ...common, cwd: work });
  say('cdk bootstrap done');
  await cdk(
    [
      'deploy',
      '--all',
      '--require-approval',
      'never',
      '--app',
      app,
      '--output',
      assembly,
      '-c',
      `settings=${settingsFile}`,
      '--concurrency',
      '2',
    ],
    common,
  );
  for (const site of Object.values(settings.sites)) {
    await s3.send(
      new PutObjectLockConfigurationCommand({
        Bucket: site.bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: site.objectLockDays } },
        },
      }),
    );
  }
  return { cdkLog: logFile, assembly };
}
