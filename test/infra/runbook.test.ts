import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorNames } from '../../contract/errors/names.ts';
import { breachKinds } from '../../functions/catalog/breach.ts';
import { aboutKind } from '../../functions/coverage/message.ts';
import { definitionsOf, flat, listOf, ofType, type Statement, synthesized } from './synthesized.ts';

const control = synthesized()['holdfast-control']!;
const runbook = readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8');
const sections = runbook
  .split(/^## /m)
  .slice(1)
  .map((text): [string, string] => [text.slice(0, text.indexOf('\n')), text]);
const alarms = ofType(control, 'AWS::CloudWatch::Alarm').map(
  ([, alarm]) => flat(alarm.Properties) as { AlarmName: string; AlarmDescription: string },
);

/** Actions that the commands of a text need: `aws <service> <verb>` each. */
function actionsOf(text: string): string[] {
  const services: Readonly<Record<string, string>> = { stepfunctions: 'states' };
  const others: Readonly<Record<string, string>> = { 'lambda:Invoke': 'lambda:InvokeFunction' };
  const commands = [...text.matchAll(/\baws ([a-z]+) ([a-z-]+)/g)].map(([, service, verb]) => {
    const action = verb!.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const name = `${services[service!] ?? service}:${action}`;
    return others[name] ?? name;
  });
  return [...new Set(commands)];
}

/** Actions of one of the policies that people are given. */
function allowed(policy: string): string[] {
  const found = ofType(control, 'AWS::IAM::ManagedPolicy')
    .map(([, r]) => r.Properties)
    .find((p) => p.ManagedPolicyName === `holdfast-${policy}-eu-central-1`);
  return (flat(found.PolicyDocument) as { Statement: Statement[] }).Statement.flatMap((s) =>
    listOf(s.Action),
  );
}

describe('the runbook', () => {
  it('has a section for every alarm, and an alarm for every section', () => {
    const linked = alarms.map((a) => /Runbook: docs\/runbook\.md#([a-z-]+)$/.exec(a.AlarmDescription)?.[1]);
    expect(linked.toSorted()).toEqual(sections.map(([name]) => name).toSorted());
  });

  it('calls its sections as the alarms are called, after the installation', () => {
    for (const { AlarmName: name, AlarmDescription: said } of alarms)
      expect(said).toContain(`#${name.replace(/^holdfast-/, '')}`);
  });

  it.each(sections)('%s says what it means, how to look and what to do', (_, text) => {
    for (const part of ['**What it means.**', '**How to look.**', '**What to do.**'])
      expect(text).toContain(part);
  });

  it.each(sections)(
    '%s needs no more to look than the policy to look, but for messages of the queue',
    (_, text) => {
      const look = text.slice(text.indexOf('**How to look.**'), text.indexOf('**What to do.**'));
      const needed = actionsOf(look).filter((action) => action !== 'sqs:ReceiveMessage');
      expect(needed.filter((action) => !allowed('look').includes(action))).toEqual([]);
    },
  );

  it('needs no more than the three policies that people are given', () => {
    const needed = actionsOf(runbook);
    expect(needed.length).toBeGreaterThan(10);
    const given = ['look', 'operate', 'restore'].flatMap(allowed);
    expect(needed.filter((action) => !given.includes(action))).toEqual([]);
  });

  it('sends to a page of which people who look and restore may type everything', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/restore.md'), 'utf8');
    const needed = actionsOf(page);
    expect(new Set(needed)).toEqual(
      new Set(['lambda:InvokeFunction', 'states:StartExecution', 'states:DescribeExecution']),
    );
    const given = ['look', 'restore'].flatMap(allowed);
    expect(needed.filter((action) => !given.includes(action))).toEqual([]);
  });

  it('says of every breach what Reconcile tells, in the section that its message names', () => {
    const alarmed = alarms.map((a) => a.AlarmName.replace(/^holdfast-/, ''));
    for (const kind of breachKinds) {
      expect(runbook).toContain(`\`${kind}\``);
      expect(alarmed).toContain(aboutKind[kind].section);
    }
  });

  it('names only errors, machines, functions and tables that there are', () => {
    const errors = [...runbook.matchAll(/`([A-Z][a-z]+\.[A-Z][A-Za-z]+)`/g)].map(([, name]) => name!);
    expect(errors.length).toBeGreaterThan(10);
    for (const name of errors) expect(Object.keys(errorNames)).toContain(name);
    const machines = Object.keys(definitionsOf(control));
    for (const [, name] of runbook.matchAll(/stateMachine:([a-z-]+)/g)) expect(machines).toContain(name);
    const named = (type: string, property: string) =>
      ofType(control, type).map(([, r]) => r.Properties[property] as string);
    const functions = named('AWS::Lambda::Function', 'FunctionName');
    for (const [, name] of runbook.matchAll(/(?:--function-name |\/aws\/lambda\/)([a-z-]+)/g))
      expect(functions).toContain(name);
    const tables = named('AWS::DynamoDB::GlobalTable', 'TableName');
    for (const [, name] of runbook.matchAll(/--table-name ([a-z-]+)/g)) expect(tables).toContain(name);
    for (const [, name] of runbook.matchAll(/--queue-name ([a-z-]+)/g))
      expect(named('AWS::SQS::Queue', 'QueueName')).toContain(name);
  });
});
