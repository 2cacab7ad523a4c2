import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeExecutions } from '../../functions/clients/executions.ts';
import { answerBytesAtMost } from '../../functions/log/lambda.ts';
import { runJobDocument } from '../../infra/hosts/run-job-document.ts';
import { parseSettings } from '../../infra/settings.ts';
import { stacksOf } from '../../infra/stacks.ts';
import { bundleRunner } from '../../runner/bundle.ts';
import { example } from '../doubles/examples.ts';
import { allStates } from './asl-rules.ts';
import { appOf, definitionsOf, exampleSettings, flat, ofType, type Template } from './synthesized.ts';

// A green run on the local target does not show any of this. Each row of the table is a way in which AWS differs, and
// what guards it: a test of this file, or one elsewhere, of which this file asserts that it is there.
const root = join(import.meta.dirname, '../..');
const elsewhere: Record<string, [file: string, test: string][]> = {
  'the role of a machine is never looked at': [
    ['test/infra/policies/machines.test.ts', 'allows what "$state" calls: $action'],
    ['test/infra/policies/machines.test.ts', 'allows nothing that no state calls, but the delivery of logs'],
  ],
  'LeadingKeys and policies of keys are not enforced': [
    ['test/infra/policies/roles.test.ts', '%s reaches the host’s own and no others'],
    ['test/infra/policies/keys.test.ts', 'opens nothing for a host, were its role given every right'],
    ['test/infra/rights.test.ts', '%s allows no action by wildcard, and holds no managed policy'],
  ],
  'If-None-Match is no condition of a bucket’s policy': [
    ['test/infra/policies/site.test.ts', 'puts %s, once'],
  ],
  'a definition is hardly checked': [
    ['test/infra/machines.test.ts', 'is valid Amazon States Language'],
    ['test/infra/machines.test.ts', 'keeps the rules that AWS enforces only when it runs'],
    ['test/infra/machines.test.ts', 'see %s'],
  ],
  'heartbeats, timeouts of machines and redrive are absent': [
    ['test/infra/machines.test.ts', 'keeps the rules that AWS enforces only when it runs'],
    [
      'test/unit/runner/job/supervise.test.ts',
      'keeps a committed backup for adoption when the token is gone after its manifest',
    ],
    ['test/unit/runner/job/supervise.test.ts', 'goes on when dispatch has renewed the token meanwhile'],
  ],
  'the 256 KiB of a state are not there': [
    [
      'test/unit/functions/log/lambda.test.ts',
      'F21: lets no answer grow towards the 256 KiB that a state takes',
    ],
  ],
  'Object Lock, lifecycle, encryption, TTL and point-in-time recovery are dropped': [
    [
      'test/infra/stacks.test.ts',
      'is versioned, locked for the days of the settings, sealed with the key of the site, and private',
    ],
    [
      'test/infra/stacks.test.ts',
      'are protected, restorable to any second, paid by use, and forget what has a ttl',
    ],
  ],
  'a function has the machine’s environment, CPU, disk and architecture': [
    [
      'test/infra/bundles.test.ts',
      '$name starts with nothing but its own variables and Node 24, from a directory that it cannot write',
    ],
    [
      'test/infra/stacks.test.ts',
      'run on Node 24 for arm64, with memory, a timeout and a log group that forgets',
    ],
  ],
  'a throw of dispatch is swallowed, and what it returns is thrown away': [
    [
      'test/unit/functions/backup/dispatch.test.ts',
      'says by the token that a host is not registered, and that a table broke',
    ],
    [
      'test/unit/functions/backup/dispatch.test.ts',
      'writes row, order and running backup, then launches the runner, and answers nothing',
    ],
  ],
  'SSM is an endpoint of this project': [
    ['test/infra/stacks.test.ts', 'takes one id, never as text of the script'],
    ['test/infra/ssm-documents.test.ts', 'fits schema 2.2 and the size of a document, with room to grow'],
    ['test/infra/ssm-documents.test.ts', '%s passes shellcheck'],
    ['test/infra/ssm-documents.test.ts', '%s is a script to dash'],
    [
      'test/unit/runner/host/launch.test.ts',
      'makes a unit of its own whose whole group is ended, with a memory limit',
    ],
    ['test/journeys/local-target.test.ts', 'delivers a command twice when told to'],
    ['test/journeys/local-target.test.ts', 'never runs a lost command, and times it out'],
    [
      'test/journeys/local-target.test.ts',
      'never runs a command that is delayed beyond its delivery timeout',
    ],
    ['test/journeys/catalog.test.ts', 'F50: waits while SSM throttles'],
  ],
  'a copy takes no If-None-Match, nothing is ever 409, and every region answers': [
    [
      'test/faults/store/conditional-copies.test.ts',
      'is refused with 501 where a bucket does not know it and with 409 where two meet, and nothing is copied',
    ],
    [
      'test/faults/store/puts.test.ts',
      'has two writers of one key at once (409 ConditionalRequestConflict) is asked again',
    ],
    [
      'test/faults/store/refusals.test.ts',
      'lies in another region than the settings say, by the signed scope: the right one is named',
    ],
  ],
  'a HEAD that asks for a checksum needs the key': [
    [
      'test/infra/policies/keys.test.ts',
      'seals for hosts and writers, opens for readers and restores, all through S3 in its region',
    ],
  ],
  'the identity of a host is that of its role and its node': [
    ['test/journeys/catalog.test.ts', 'reads the identity under which a host reaches its jobs'],
    [
      'test/journeys/local-target.test.ts',
      'gives a host credentials whose user id is its role id and its own id',
    ],
  ],
  'stacks of two regions cannot point at each other': [
    ['test/infra/stacks.test.ts', '%s shares nothing but names: no exports, imports or custom resources'],
    [
      'test/infra/rights.test.ts',
      'names no role as principal: one that is not deployed yet would be refused',
    ],
  ],
  'a sweep that died publishes nothing': [
    ['test/infra/alarms.test.ts', 'take silence of Reconcile for trouble'],
  ],
};

describe('what the local target does not show is guarded:', () => {
  it.each(Object.entries(elsewhere))('%s', (_, guards) => {
    for (const [file, test] of guards) {
      const text = readFileSync(join(root, file), 'utf8');
      expect([text.includes(`'${test}'`), file, test]).toEqual([true, file, test]);
    }
  });
});

const work = mkdtempSync(join(tmpdir(), 'holdfast-green-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const assembly = (() => {
  const app = appOf(join(work, 'cdk.out'));
  stacksOf(app, parseSettings(exampleSettings()));
  return app.synth();
})();
const templates = assembly.stacks.map((s) => s.template as Template);
const control = assembly.getStackByName('holdfast-control').template as Template;
const definitions = Object.entries(definitionsOf(control));
const sources = globSync('{functions,runner,contract,infra}/**/*.ts', { cwd: root }).map(
  (file) => [file, readFileSync(join(root, file), 'utf8')] as const,
);

describe('templates', () => {
  const lint = (...files: string[]) => {
    // W3005: the CDK says twice what depends on what.
    const args = ['--ignore-checks', 'W3005', '--format', 'parseable', '--template', ...files];
    const run = spawnSync(join(root, '.local/venv/bin/cfn-lint'), args, { encoding: 'utf8' });
    return { status: run.status, said: run.error?.message ?? `${run.stdout}${run.stderr}` };
  };
  const files = assembly.stacks.map((s) => s.templateFullPath);

  it('are what CloudFormation knows: no property that it would refuse and the emulator drops', () => {
    expect(files.length).toBeGreaterThan(4);
    expect(lint(...files)).toEqual({ status: 0, said: '' });
  });

  it('would be told of a misspelt property', () => {
    const misspelt = join(work, 'misspelt.template.json');
    const text = readFileSync(files.find((f) => f.includes('site-home'))!, 'utf8');
    writeFileSync(misspelt, text.replaceAll('"VersioningConfiguration"', '"VersionningConfiguration"'));
    const { status, said } = lint(misspelt);
    expect(status).not.toBe(0);
    expect(said).toContain('VersionningConfiguration');
  });

  it('stay within the limits of CloudFormation, of bucket policies and of inline policies', () => {
    for (const { stackName, template } of assembly.stacks)
      expect(Object.keys(template.Resources).length, stackName).toBeLessThan(500);
    const sizes = (type: string, property: string) =>
      templates.flatMap((t) =>
        ofType(t, type).map(([, r]) => JSON.stringify(flat(r.Properties[property])).length),
      );
    expect(Math.max(...sizes('AWS::S3::BucketPolicy', 'PolicyDocument'))).toBeLessThan(20_480);
    expect(Math.max(...sizes('AWS::IAM::Policy', 'PolicyDocument'))).toBeLessThan(10_240);
    expect(Math.max(...sizes('AWS::KMS::Key', 'KeyPolicy'))).toBeLessThan(32_768);
  });

  it('seal topic and queue with a key of our own: with that of SNS, alarms would be published into nothing', () => {
    const keys = [
      ...ofType(control, 'AWS::SNS::Topic').map(([, r]) => r.Properties.KmsMasterKeyId),
      ...ofType(control, 'AWS::SQS::Queue').map(([, r]) => r.Properties.KmsMasterKeyId),
    ].map((key) => JSON.stringify(key));
    expect(keys.length).toBeGreaterThan(1);
    for (const key of keys) expect(key).toMatch(/AlarmChannelKey/);
  });
});

describe('machines', () => {
  const states = definitions.flatMap(([, definition]) => allStates(definition));

  it('route failures by what a function answered, never by the text of an error', () => {
    const choices = states.filter(([, s]) => s.Type === 'Choice').flatMap(([, s]) => s.Choices);
    expect(choices.length).toBeGreaterThan(5);
    expect(
      choices
        .map((c: { Condition: string }) => c.Condition)
        .filter((c) => /cause|errorOutput|contains\(/i.test(c)),
    ).toEqual([]);
  });

  it('have no child that is waited for, and no Parallel whose catch would come late', () => {
    expect(states.filter(([, s]) => s.Type === 'Parallel')).toEqual([]);
    expect(states.filter(([, s]) => /\.sync/.test(String(s.Resource)))).toEqual([]);
  });

  it('do not depend on redrive, which goes on at a Fail state', () => {
    expect(
      sources
        .filter(([, text]) => /Redrive(Execution|Count)|redriveExecution/.test(text))
        .map(([file]) => file),
    ).toEqual([]);
  });

  it('take the largest cluster: the checks of fifty members stay below 200 KiB', () => {
    const inspections = Array.from({ length: 50 }, () => ({
      memberId: 'm'.repeat(40),
      result: example('result-check'),
    }));
    const admitted = {
      policy: example('policy'),
      checks: inspections.map(() => example('order-backup').member),
    };
    expect(Buffer.byteLength(JSON.stringify({ admitted, inspections }))).toBeLessThan(answerBytesAtMost);
  });
});

describe('an execution that exists already', () => {
  const machineArn = 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-backup';
  const of = { machineArn, name: 'shop-20261123T0200Z-1', input: {} };
  const executionArn = `${machineArn.replace('stateMachine', 'execution')}:${of.name}`;
  const answering = (send: () => Promise<unknown>) => makeExecutions({ send } as never);

  it('is as good as started, whether the service answers its ARN as AWS does or an error as the emulator', async () => {
    const asAws = answering(async () => ({ executionArn }));
    const asEmulator = answering(async () => {
      throw Object.assign(new Error('exists'), { name: 'ExecutionAlreadyExists' });
    });
    expect(await asAws.start(of)).toEqual({ outcome: 'started', executionArn });
    expect(await asEmulator.start(of)).toEqual({ outcome: 'exists', executionArn });
  });

  it('is nothing else that goes wrong', async () => {
    const broken = answering(async () => {
      throw Object.assign(new Error('slow down'), { name: 'ThrottlingException' });
    });
    await expect(broken.start(of)).rejects.toThrow('slow down');
  });
});

describe('code', () => {
  it('counts on no row being gone: DynamoDB may drop expired ones days late, and the emulator never does', () => {
    const reading = sources.filter(
      ([file, text]) => !file.startsWith('infra/') && /[a-z?]\.ttl\b/.test(text),
    );
    expect(reading.map(([file]) => file)).toEqual([]);
  });

  it('lets no host copy: where a policy demands If-None-Match, S3 answers a copy 403 without it and 501 with it', async () => {
    const { file } = await bundleRunner(join(work, 'runner.mjs'));
    expect(readFileSync(file, 'utf8')).not.toMatch(/CopyObject|x-amz-copy-source|CreateMultipartUpload/);
  });

  it('is JavaScript alone: no native part that would be of another architecture', () => {
    const packages = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies as Record<
      string,
      string
    >;
    const native = Object.keys(packages).flatMap((name) =>
      globSync('**/*.node', { cwd: join(root, 'node_modules', name) }).map((file) => `${name}/${file}`),
    );
    expect(native).toEqual([]);
  });
});

describe('the document that starts a runner', () => {
  const [step] = runJobDocument.mainSteps;
  const script = step!.inputs.runCommand.join('\n');

  it('ends with an ordinary code where nothing is installed, in a plain shell with an empty environment', () => {
    const file = join(work, '_script.sh');
    writeFileSync(file, script);
    // It says so with 127; never with 194, on which the agent would restart the host.
    const run = spawnSync('/bin/dash', [file], { encoding: 'utf8', env: { SSM_JobId: 'j-1' } });
    expect({ status: run.status, stderr: run.stderr }).toEqual({
      status: 127,
      stderr: expect.stringContaining('/opt/holdfast/bin/holdfast-launch'),
    });
  });
});
