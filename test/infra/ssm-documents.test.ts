import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installRunnerDocument } from '../../infra/hosts/install-runner-document.ts';
import { parseDocument, resolveParameters, scriptOf } from '../../infra/local/ssm-document.ts';
import { namesOf } from '../../infra/names.ts';
import { parseSettings } from '../../infra/settings.ts';
import { stacksOf } from '../../infra/stacks.ts';
import { commandDocumentSchema, documentBytesAtMost } from './ssm-document-schema.ts';
import { appOf, exampleSettings, ofType, synthesized, type Template } from './synthesized.ts';

const release = 'a'.repeat(64);
const stacks = synthesized();
const hosts = stacks['holdfast-hosts-111111111111-eu-central-1']!;
const contents = ofType(hosts, 'AWS::SSM::Document').map(
  ([, { Properties }]) => [Properties.Name as string, Properties.Content] as const,
);
const examples: Record<string, Record<string, string[]>> = {
  'holdfast-run-job': { JobId: ['j-1'] },
  'holdfast-install-runner': { Release: [release] },
};

/** A script after the variables that the agent puts into its environment. */
const withVariables = ({ script, environment }: ReturnType<typeof scriptOf>) =>
  Object.keys(environment)
    .map((name) => `${name}=x\n`)
    .join('') + script;

/** Every script of the documents as the agent would write it, and the launcher. */
const scripts: (readonly [string, string])[] = [
  ...contents.flatMap(([name, content]) => {
    const document = parseDocument(name, content);
    const values = resolveParameters(document, examples[name]!);
    return document.content.mainSteps.flatMap((step) =>
      step.action === 'aws:runShellScript'
        ? [[`${name} ${step.name}`, withVariables(scriptOf(document, step, values))] as const]
        : [],
    );
  }),
  ['holdfast-launch', readFileSync('runner/host/launch/holdfast-launch', 'utf8')],
];

const check = (program: string, args: string[], script: string) => {
  const { status, stdout, stderr } = spawnSync(program, args, { input: script, encoding: 'utf8' });
  return { status, said: `${stdout ?? ''}${stderr ?? ''}` };
};

describe.each(contents)('the document %s', (name, content) => {
  it('fits schema 2.2 and the size of a document, with room to grow', () => {
    expect(commandDocumentSchema.parse(content)).toEqual(content);
    expect(JSON.stringify(content).length).toBeLessThan(documentBytesAtMost / 2);
    const names = content.mainSteps.map((step: { name: string }) => step.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('says how each parameter is held harmless, and names none that it has not', () => {
    const parameters = Object.entries(content.parameters as Record<string, Record<string, string>>);
    for (const [, { allowedPattern = '' }] of parameters)
      expect(allowedPattern).toMatch(/^\^\[[^\]]+\]\{[^}]+\}\$$/);
    const inText = [...JSON.stringify(content.mainSteps).matchAll(/\{\{\s*([^}\s]*)\s*\}\}/g)].map(
      (m) => m[1],
    );
    const interpolated = parameters.filter(([, p]) => p.interpolationType !== 'ENV_VAR').map(([p]) => p);
    expect([...new Set(inText)]).toEqual(interpolated);
  });

  it('does nothing on machines other than Linux, and tells how long each step may take', () => {
    for (const { action, precondition, inputs } of content.mainSteps) {
      expect(precondition).toEqual({ StringEquals: ['platformType', 'Linux'] });
      if (action === 'aws:runShellScript') expect(Number(inputs.timeoutSeconds)).toBeLessThanOrEqual(600);
    }
  });

  it('belongs to the place by its name', () => {
    expect(name).toMatch(/^holdfast-[a-z-]+$/);
  });
});

describe('the script', () => {
  it.each(scripts)('%s passes shellcheck', (_, script) => {
    const shell = script.startsWith('#!') ? [] : ['-s', 'dash'];
    // ulimit -c is no part of POSIX; every /bin/sh of Linux has it.
    expect(check('shellcheck', [...shell, '-e', 'SC3045', '-'], script)).toEqual({ status: 0, said: '' });
  });

  it.each(scripts)('%s is a script to dash', (_, script) => {
    expect(check('/usr/bin/dash', ['-n'], script)).toEqual({ status: 0, said: '' });
  });

  it('F40 never ends with an order to reboot the host', () => {
    const codes = scripts.flatMap(([, script]) =>
      [...script.matchAll(/\bexit\b[ (]*([^;)'\n]*)/g)].map((m) => m[1]),
    );
    expect([...new Set(codes)].toSorted()).toEqual(['0', '1', '100', '64']);
  });

  it('is checked by tools that find something', () => {
    expect(check('shellcheck', ['-s', 'dash', '-'], 'rm -rf $1/*\n').status).toBe(1);
    expect(check('/usr/bin/dash', ['-n'], 'if true\n').status).toBe(2);
  });
});

describe('the document that installs the runner', () => {
  type Step = { action: string; name: string; inputs: Record<string, string> };
  const steps: Step[] = contents.find(([name]) => name === 'holdfast-install-runner')![1].mainSteps;

  it('ends well where nothing is to be done, and goes no further after a step that failed', () => {
    expect(steps.map(({ name, inputs }) => `${name} ${inputs.onFailure}`)).toEqual([
      'UseInstalledRelease successAndExit',
      'CheckHost exit',
      'Download-release-txt exit',
      'Download-holdfast-launch exit',
      'Download-runner-mjs exit',
      'Download-node-x64-gz exit',
      'Download-node-arm64-gz exit',
      'InstallRelease exit',
      'ConfirmRelease undefined',
    ]);
    expect(steps.filter(({ inputs }) => inputs.finallyStep)).toEqual([steps.at(-1)]);
  });

  it('fetches from the bucket of its own place, by the name of the release', () => {
    const paths = (all: Step[]) =>
      all.filter((s) => s.action === 'aws:downloadContent').map((s) => JSON.parse(s.inputs.sourceInfo!).path);
    expect(paths(steps)[0]).toBe(
      'https://s3.eu-central-1.amazonaws.com/cdk-hnb659fds-assets-111111111111-eu-central-1/{{ Release }}-release.txt',
    );
    const settings = parseSettings({ ...exampleSettings(), bootstrapQualifier: 'mine' });
    const china = { account: '111111111111', region: 'cn-north-1' };
    const { mainSteps } = installRunnerDocument(settings, namesOf(settings), china);
    expect(paths(mainSteps as Step[])[0]).toBe(
      'https://s3.cn-north-1.amazonaws.com.cn/cdk-mine-assets-111111111111-cn-north-1/{{ Release }}-release.txt',
    );
  });

  it('fetches Node for the architectures of the settings alone', () => {
    const settings = parseSettings({ ...exampleSettings(), runner: { architectures: ['arm64'] } });
    const { mainSteps } = installRunnerDocument(settings, namesOf(settings), settings.hosts[0]!);
    const downloads = mainSteps.map(({ name }) => name).filter((name) => name.startsWith('Download-node'));
    expect(downloads).toEqual(['Download-node-arm64-gz']);
  });
});

describe('the association', () => {
  const association = (template: Template) => ofType(template, 'AWS::SSM::Association');

  it('keeps the tagged nodes of each place on the release, a tenth of them at a time, and reports them', () => {
    for (const place of ['eu-central-1', 'eu-west-1']) {
      const found = association(stacks[`holdfast-hosts-111111111111-${place}`]!);
      expect(found).toHaveLength(1);
      const { Tags: _, ...properties } = found[0]![1].Properties;
      expect(properties).toEqual({
        AssociationName: 'holdfast-install-runner',
        Name: 'holdfast-install-runner',
        Parameters: { Release: ['0'.repeat(64)] },
        Targets: [{ Key: 'tag:holdfast', Values: ['holdfast'] }],
        ScheduleExpression: 'rate(6 hours)',
        MaxConcurrency: '10%',
        MaxErrors: '5%',
        ComplianceSeverity: 'HIGH',
        SyncCompliance: 'AUTO',
      });
    }
  });

  it('is made after the document that it names and the role that its nodes read with', () => {
    const [, found] = association(hosts)[0]! as [string, { DependsOn?: string[] }];
    const types = found.DependsOn?.map((id) => hosts.Resources[id]?.Type).toSorted();
    expect(types).toEqual([
      'AWS::IAM::InstanceProfile',
      'AWS::IAM::Policy',
      'AWS::IAM::Role',
      'AWS::SSM::Document',
    ]);
  });

  it('goes back to the release that the settings name, which nodes may read and no other', () => {
    const pinned = synthesized({ ...exampleSettings(), runner: { release } });
    const template = pinned['holdfast-hosts-111111111111-eu-central-1']!;
    expect(association(template)[0]![1].Properties.Parameters).toEqual({ Release: [release] });
    expect(template.Outputs?.RunnerRelease?.Value).toBe(release);
    const policies = JSON.stringify(ofType(template, 'AWS::IAM::Policy'));
    expect(policies).toContain(`cdk-hnb659fds-assets-111111111111-eu-central-1/${release}-*`);
    expect(policies).not.toContain('0'.repeat(64));
  });

  it('reaches the other places of an account after the one that makes the role for all of them', () => {
    const outdir = mkdtempSync(join(tmpdir(), 'holdfast-places-'));
    const [first, second] = stacksOf(appOf(outdir), parseSettings(exampleSettings())).hosts;
    expect(second!.dependencies).toContain(first);
    rmSync(outdir, { recursive: true });
  });

  it('keeps the files of its release from cdk gc, which knows them by their keys up to the first dot', () => {
    const template = JSON.stringify(hosts);
    for (const file of ['release', 'holdfast-launch', 'runner', 'node-x64', 'node-arm64'])
      expect(template).toContain(`${'0'.repeat(64)}-${file}`);
  });
});
