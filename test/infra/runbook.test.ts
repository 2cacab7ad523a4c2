import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorNames } from '../../contract/errors/names.ts';
import { definitionsOf, flat, ofType, synthesized } from './synthesized.ts';

const control = synthesized()['holdfast-control']!;
const runbook = readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8');
const sections = runbook
  .split(/^## /m)
  .slice(1)
  .map((text): [string, string] => [text.slice(0, text.indexOf('\n')), text]);
const alarms = ofType(control, 'AWS::CloudWatch::Alarm').map(
  ([, alarm]) => flat(alarm.Properties) as { AlarmName: string; AlarmDescription: string },
);

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
    for (const [, name] of runbook.matchAll(/\/111111111111\/([a-z-]+)/g))
      expect(named('AWS::SQS::Queue', 'QueueName')).toContain(name);
  });
});
