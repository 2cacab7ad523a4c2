import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../infra/settings.ts';
import { allStates, type Graph } from './asl-rules.ts';
import {
  type Definition,
  definitionsOf,
  exampleSettings,
  flat,
  ofType,
  statementsOf,
  synthesized,
} from './synthesized.ts';

/**
 * The largest settings that should still be deployed: five sites with the longest names that go together, twenty places
 * with hosts, fifty policies with the longest names.
 */
function largest() {
  const account = '111111111111';
  const regions = ['ap-southeast-1', 'ap-southeast-2', 'ap-southeast-3', 'ap-southeast-4', 'ap-northeast-1'];
  const installation = 'holdfast-production1';
  const sites = Object.fromEntries(
    regions.map((region, i) => [
      `${i}${'s'.repeat(34)}`,
      { account: String(200_000_000_000 + i), region, bucket: `${i}${'b'.repeat(56)}`, objectLockDays: 3 },
    ]),
  );
  const places = ['ap-northeast-2', 'ap-northeast-3', 'ap-south-1', 'ap-south-2', 'ap-east-1', 'ap-east-2']
    .concat(['eu-central-1', 'eu-central-2', 'eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-north-1'])
    .concat(['us-east-1', 'us-east-2', 'us-west-1', ...regions]);
  const [policy] = exampleSettings().policies;
  return {
    ...exampleSettings(),
    installation,
    sites,
    control: { account, region: regions[0]!, site: Object.keys(sites)[0]! },
    hosts: places.map((region) => ({ account, region })),
    policies: Array.from({ length: 50 }, (_, i) => ({
      ...policy!,
      name: `${i}`.padEnd(40, 'p'),
    })),
  };
}

const settings = parseSettings(largest());
const stacks = synthesized(largest());
const templates = Object.entries(stacks);
const of = (type: string) =>
  templates.flatMap(([stack, template]) =>
    ofType(template, type).map(([id, r]) => ({ stack, template, id, properties: r.Properties })),
  );
const bytes = (value: unknown) => JSON.stringify(flat(value)).length;

describe('the largest settings', () => {
  it('are five sites and twenty places', () => {
    expect(Object.keys(settings.sites)).toHaveLength(5);
    expect(settings.hosts).toHaveLength(20);
    expect(templates).toHaveLength(5 + 1 + 20);
  });

  it('keep every policy within what its service takes', () => {
    for (const { stack, properties } of of('AWS::S3::BucketPolicy'))
      expect(bytes(properties.PolicyDocument), stack).toBeLessThan(20_480);
    for (const { stack, properties } of of('AWS::KMS::Key'))
      expect(bytes(properties.KeyPolicy), stack).toBeLessThan(32_768);
    for (const { stack, properties } of of('AWS::SNS::TopicPolicy'))
      expect(bytes(properties.PolicyDocument), stack).toBeLessThan(30_720);
    for (const { properties, template } of of('AWS::IAM::Role')) {
      const name = properties.RoleName;
      expect(bytes(properties.AssumeRolePolicyDocument), name).toBeLessThan(2048);
      expect(JSON.stringify(statementsOf(template, name)).length, name).toBeLessThan(10_240);
    }
    for (const { properties } of of('AWS::IAM::ManagedPolicy'))
      expect(bytes(properties.PolicyDocument), properties.ManagedPolicyName).toBeLessThan(6144);
  });

  it('keep every name within what its service takes', () => {
    const named: [string, string, number][] = [
      ['AWS::IAM::Role', 'RoleName', 64],
      ['AWS::IAM::ManagedPolicy', 'ManagedPolicyName', 128],
      ['AWS::Lambda::Function', 'FunctionName', 64],
      ['AWS::StepFunctions::StateMachine', 'StateMachineName', 80],
      ['AWS::S3::Bucket', 'BucketName', 63],
      ['AWS::Scheduler::Schedule', 'Name', 64],
      ['AWS::Events::Rule', 'Name', 64],
      ['AWS::SQS::Queue', 'QueueName', 80],
      ['AWS::SSM::Document', 'Name', 128],
      ['AWS::CloudWatch::Alarm', 'AlarmName', 255],
      ['AWS::CloudWatch::Dashboard', 'DashboardName', 255],
    ];
    for (const [type, property, most] of named) {
      const found = of(type);
      expect(found.length, type).toBeGreaterThan(0);
      for (const { properties } of found)
        expect(properties[property].length, `${type} ${properties[property]}`).toBeLessThanOrEqual(most);
    }
  });

  it('keep parameters below 4 KB, environments below 4 KB and stacks below 500 resources', () => {
    for (const { properties } of of('AWS::SSM::Parameter'))
      expect(properties.Value.length).toBeLessThan(4096);
    for (const { properties } of of('AWS::Lambda::Function'))
      expect(bytes(properties.Environment?.Variables ?? {}), properties.FunctionName).toBeLessThan(4096);
    for (const [stack, { Resources: resources, Outputs: outputs }] of templates) {
      expect(Object.keys(resources).length, stack).toBeLessThan(500);
      expect(Object.keys(outputs ?? {}).length, stack).toBeLessThan(200);
      expect(JSON.stringify(stacks[stack]).length, stack).toBeLessThan(1_000_000);
    }
  });
});

/** States that are entered on the way that takes each named choice, `entered` members of a map at a time. */
function transitions(definition: Definition, choose: Record<string, string>, members: number): string[] {
  const walk = (graph: Graph): string[] => {
    const seen: string[] = [];
    for (let name: string | undefined = graph.StartAt; name !== undefined; ) {
      const state: Definition = graph.States[name];
      seen.push(name);
      if (state.Type === 'Map')
        for (let i = 0; i < members; i++) seen.push(...walk(state.ItemProcessor as Graph));
      name = state.Type === 'Choice' ? (choose[name] ?? state.Choices[0].Next) : state.Next;
    }
    return seen;
  };
  return walk(definition as Graph);
}

describe('a backup that goes well', () => {
  const backup = definitionsOf(synthesized()['holdfast-control']!)['holdfast-backup'];

  it.each([1, 2])('takes at most 20 state transitions with %i members', (members) => {
    const way = transitions(backup, {}, members);
    expect(way.at(-1)).toBe('The backup is recorded');
    expect(way.filter((name) => name === 'Inspect this member on its host')).toHaveLength(members);
    expect(way.length).toBeLessThanOrEqual(20);
    expect(allStates(backup).length).toBeGreaterThan(way.length);
  });
});
