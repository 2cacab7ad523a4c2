import { describe, expect, it } from 'vitest';
import { allStates } from '../asl-rules.ts';
import { type Definition, definitionsOf, synthesized } from '../synthesized.ts';
import { fits } from './conditions.ts';
import { decide } from './decide.ts';
import { deployed } from './deployed.ts';

// The emulator never looks at the role of a machine: every call that a definition makes is decided here.
const all = deployed();
const { names, settings } = all;
const definitions = definitionsOf(synthesized()[names.controlStack]!);
const machines = ['fleet-backup', 'backup', 'restore'] as const;

type Call = { state: string; action: string; resource: string };

/** Every call that running a definition makes, by the documentation of each integration; an unknown one is an error. */
function callsOf(machine: (typeof machines)[number], definition: Definition): Call[] {
  return allStates(definition).flatMap(([state, body]): Call[] => {
    if (body.Type === 'Map') {
      const { ProcessorConfig: how } = body.ItemProcessor;
      if (how.Mode !== 'DISTRIBUTED') return [];
      const { Resource: reads, Arguments: of } = body.ItemReader;
      if (reads !== 'arn:aws:states:::s3:getObject') throw new Error(`${state} reads its items by ${reads}`);
      return [
        {
          state,
          action: 's3:GetObject',
          resource: `arn:aws:s3:::${of.Bucket}/due/nightly/20261123T0200Z.jsonl`,
        },
        { state, action: 'states:StartExecution', resource: names.machineArn(machine) },
        // Items run as executions of the machine's own, under the map's label.
        ...['states:DescribeExecution', 'states:StopExecution'].flatMap((action) =>
          [names.executionsArn(machine), names.itemExecutionsArn(machine)].map((resource) => ({
            state,
            action,
            resource: resource.replace('*', 'map-1'),
          })),
        ),
      ];
    }
    if (body.Type !== 'Task') return [];
    switch (String(body.Resource).replace('.waitForTaskToken', '')) {
      case 'arn:aws:states:::lambda:invoke':
        return [{ state, action: 'lambda:InvokeFunction', resource: body.Arguments.FunctionName }];
      case 'arn:aws:states:::states:startExecution':
        return [{ state, action: 'states:StartExecution', resource: body.Arguments.StateMachineArn }];
      default:
        throw new Error(`${state} calls ${body.Resource}: say here which right that takes`);
    }
  });
}

describe.each(machines)('the role of the machine %s', (machine) => {
  const role = `${names.machine(machine)}-machine-${settings.control.region}`;
  const calls = callsOf(machine, definitions[names.machine(machine)]);
  const principal = `arn:aws:iam::${settings.control.account}:role/${role}`;
  const identity = all.identity(role);
  const may = ({ action, resource }: Omit<Call, 'state'>) =>
    decide({ principal, action, resource }, { identity, owner: settings.control.account });

  it.each(calls)('allows what "$state" calls: $action', (call) => {
    expect(may(call)).toBe('allowed');
  });

  it('allows nothing that no state calls, but the delivery of logs', () => {
    const rights = identity.flatMap(({ Action, Resource }) =>
      [Action ?? []]
        .flat()
        .flatMap((action) => [Resource ?? []].flat().map((resource) => ({ action, resource }))),
    );
    const beyond = rights
      .filter(({ action }) => !action.startsWith('logs:'))
      .filter((right) => !calls.some((c) => c.action === right.action && fits(c.resource, right.resource)));
    expect(beyond).toEqual([]);
  });
});

describe('the role of the schedules', () => {
  it('starts what schedules point at: Fleet backup and Reconcile', () => {
    const role = names.functionRole('schedules');
    const principal = `arn:aws:iam::${settings.control.account}:role/${role}`;
    const may = (action: string, resource: string) =>
      decide(
        { principal, action, resource },
        { identity: all.identity(role), owner: settings.control.account },
      );
    expect(may('states:StartExecution', names.machineArn('fleet-backup'))).toBe('allowed');
    expect(may('lambda:InvokeFunction', names.functionArn('reconcile'))).toBe('allowed');
    for (const machine of ['backup', 'restore'] as const)
      expect(may('states:StartExecution', names.machineArn(machine))).toBe('not allowed');
    expect(may('lambda:InvokeFunction', names.functionArn('register'))).toBe('not allowed');
  });
});
