import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { parseSettings, type SettingsInput } from '../../infra/settings.ts';
import { stacksOf } from '../../infra/stacks.ts';

export type Resource = {
  Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: templates are as deep as CloudFormation
  Properties: any;
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
};
export type Template = { Resources: Record<string, Resource>; Outputs?: Record<string, { Value: unknown }> };

const root = join(import.meta.dirname, '../..');

/** The settings that ship as an example: two sites in two accounts, hosts in two regions. */
export const exampleSettings = () =>
  JSON.parse(readFileSync(join(root, 'infra/holdfast.example.json'), 'utf8')) as SettingsInput;

/**
 * An app without bundling (no code is built), and the flags of cdk.json. The CDK's rules for templates take seconds;
 * one test asks for them, since all others see the same templates.
 */
export function appOf(outdir: string, { rules = false } = {}): App {
  const { context } = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as {
    context: Record<string, unknown>;
  };
  return new App({
    context: { ...context, 'aws:cdk:bundling-stacks': [] },
    builtinCloudFormationValidation: rules,
    outdir,
  });
}

/** All templates by stack name. */
export function synthesized(settings: unknown = exampleSettings()): Record<string, Template> {
  const outdir = mkdtempSync(join(tmpdir(), 'holdfast-synth-'));
  try {
    const app = appOf(outdir);
    stacksOf(app, parseSettings(settings));
    return Object.fromEntries(
      app.synth().stacks.map((stack) => [stack.stackName, stack.template as Template]),
    );
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Resources of a type, by logical id. */
export const ofType = (template: Template, type: string) =>
  Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);

/** Text of a value in which only the partition is left open (Fn::Join over AWS::Partition). */
export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  const join = (value as { 'Fn::Join'?: [string, unknown[]] })['Fn::Join'];
  if (join) return join[1].map(text).join(join[0]);
  const ref = (value as { Ref?: string }).Ref;
  if (ref === 'AWS::Partition') return 'aws';
  const attribute = (value as { 'Fn::GetAtt'?: [string, string] })['Fn::GetAtt'];
  if (attribute) return `<${attribute.join('.')}>`;
  if (ref) return `<${ref}>`;
  throw new Error(`not a text: ${JSON.stringify(value)}`);
}

/** The same object with every CloudFormation function flattened to text. */
export function flat(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(flat);
  if (value === null || typeof value !== 'object') return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && ['Fn::Join', 'Fn::GetAtt', 'Ref'].includes(keys[0]!)) return text(value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, flat(inner)]));
}

// biome-ignore lint/suspicious/noExplicitAny: a definition is as deep as it is
export type Definition = any;

/** Definitions of the machines, by name. */
export function definitionsOf(template: Template): Record<string, Definition> {
  return Object.fromEntries(
    ofType(template, 'AWS::StepFunctions::StateMachine').map(([, machine]) => [
      machine.Properties.StateMachineName,
      JSON.parse(text(machine.Properties.DefinitionString)),
    ]),
  );
}

/** The name of a release changes with every line of the runner. */
const unhashed = (resource: string) => resource.replace(/[0-9a-f]{64}(?=-)/, '<release>');

/** Statements of the policies on the role of this name, flattened. */
export function wholeStatementsOf(template: Template, roleName: string): Statement[] {
  const role = ofType(template, 'AWS::IAM::Role').find(([, r]) => r.Properties.RoleName === roleName);
  if (!role) throw new Error(`no role ${roleName}`);
  return ofType(template, 'AWS::IAM::Policy')
    .filter(([, policy]) => policy.Properties.Roles.some((r: { Ref?: string }) => r.Ref === role[0]))
    .flatMap(([, policy]) => flat(policy.Properties.PolicyDocument.Statement) as Statement[]);
}

/** The same without the hash of the runner. */
export const statementsOf = (template: Template, roleName: string): Statement[] =>
  wholeStatementsOf(template, roleName).map((s) =>
    s.Resource
      ? { ...s, Resource: Array.isArray(s.Resource) ? s.Resource.map(unhashed) : unhashed(s.Resource) }
      : s,
  );

export type Statement = {
  Sid?: string;
  Effect: string;
  Action?: string | string[];
  NotAction?: string | string[];
  Resource?: string | string[];
  Condition?: unknown;
};

export const listOf = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];
