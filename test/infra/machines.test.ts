import aslValidator from 'asl-validator';
import { describe, expect, it } from 'vitest';
import { namesOf } from '../../infra/names.ts';
import { parseSettings } from '../../infra/settings.ts';
import { allStates, graphsOf, uncaught, wrongIn } from './asl-rules.ts';
import {
  type Definition,
  definitionsOf,
  exampleSettings,
  listOf,
  statementsOf,
  synthesized,
} from './synthesized.ts';

const names = namesOf(parseSettings(exampleSettings()));
const control = synthesized()[names.controlStack]!;
const definitions = definitionsOf(control);
const machines = ['fleet-backup', 'backup', 'restore'] as const;
const definitionOf = (machine: (typeof machines)[number]): Definition => definitions[names.machine(machine)];

describe.each(machines)('the machine %s', (machine) => {
  it('is valid Amazon States Language', () => {
    const { isValid, errorsText } = aslValidator(definitionOf(machine));
    expect(isValid ? '' : errorsText()).toBe('');
  });

  it('keeps the rules that AWS enforces only when it runs', () => {
    expect(wrongIn(definitionOf(machine))).toEqual([]);
  });

  it('catches every failure of every task', () => {
    // A start that fails is one failed item of a map that tolerates all of them; Reconcile starts the attempt again.
    const reasons = machine === 'fleet-backup' ? ['Start the backup of this cluster'] : [];
    expect(uncaught(definitionOf(machine))).toEqual(reasons);
  });

  it('calls again a function that broke, and never a job that failed (F52)', () => {
    const tasks = allStates(definitionOf(machine)).filter(([, state]) => state.Arguments?.FunctionName);
    expect(tasks.length).toBeGreaterThan(0);
    for (const [name, { Resource, Retry }] of tasks) {
      const names = Retry.map((rule: Definition) => rule.ErrorEquals);
      const broken = ['States.TaskFailed', 'States.Timeout'];
      // What a runner tells of its job comes as an error of the same task.
      if (Resource.endsWith('.waitForTaskToken')) expect(names, name).not.toContainEqual(broken);
      else expect(names.at(-1), name).toEqual(broken);
    }
  });

  it('calls nothing that its role does not allow, and its role allows no function beyond', () => {
    const role = statementsOf(control, `${names.machine(machine)}-machine-eu-central-1`);
    const allowed = (action: string) =>
      role
        .filter((s) => s.Effect === 'Allow' && listOf(s.Action).includes(action))
        .flatMap((s) => listOf(s.Resource));
    const states = allStates(definitionOf(machine)).map(([, state]) => state);
    const functions = states.map((s) => s.Arguments?.FunctionName).filter(Boolean);
    expect(allowed('lambda:InvokeFunction').toSorted()).toEqual([...new Set(functions)].toSorted());
    for (const state of states.filter((s) => s.Arguments?.StateMachineArn)) {
      expect(allowed('states:StartExecution')).toContain(state.Arguments.StateMachineArn);
    }
    for (const { ItemReader: reader } of states.filter((s) => s.ItemReader)) {
      expect(allowed('s3:GetObject')).toContain(`arn:aws:s3:::${reader.Arguments.Bucket}/due/*`);
      expect(allowed('states:StartExecution')).toContain(names.machineArn(machine));
    }
  });

  it('names every function of its own that exists', () => {
    const exists = Object.values(control.Resources)
      .filter((r) => r.Type === 'AWS::Lambda::Function')
      .map((r) => names.functionArn(r.Properties.FunctionName.slice(names.installation.length + 1)));
    for (const [name, state] of allStates(definitionOf(machine))) {
      if (state.Arguments?.FunctionName) expect(exists, name).toContain(state.Arguments.FunctionName);
    }
  });
});

describe('the states an operator reads', () => {
  it('are those of a backup, in order', () => {
    expect(Object.keys(definitionOf('backup').States)).toEqual(
      expect.arrayContaining([
        'Validate the request and lock the cluster',
        'Inspect the members',
        'Plan the backup',
        'Take the leases',
        'Run backup on host',
        'Verify stored objects',
        'Record the backup',
        'Release the cluster',
        'Publish the result',
        'Cancel the live job',
        'Look for the manifest',
        'Record the failure',
      ]),
    );
  });

  it('are those of a restore', () => {
    expect(Object.keys(definitionOf('restore').States)).toEqual(
      expect.arrayContaining([
        'Plan the restore',
        'Lock the target and pin the backup',
        'Inspect the target host',
        'Decide whether the target fits',
        'Run restore on host',
        'Record the restore',
        'Release the target and the pin',
        'Publish the result',
      ]),
    );
  });

  it('end by name: a refusal fails with its own error and cause, before anything is locked', () => {
    for (const machine of machines) {
      const refuse = definitionOf(machine).States['Refuse the request'];
      expect(refuse).toMatchObject({
        Type: 'Fail',
        Error: '{% $states.input.error.name %}',
        Cause: '{% $states.input.error.cause %}',
      });
    }
  });

  it('never release a lock while the job may still live (F48)', () => {
    const { States: states } = definitionOf('backup');
    const gate = states['May the cluster be released?'];
    expect(gate.Choices).toEqual([{ Condition: '{% $mayRelease %}', Next: 'Release the cluster' }]);
    const intoRelease = allStates(definitionOf('backup')).filter(([, s]) =>
      JSON.stringify([s.Next, s.Default, s.Choices, s.Catch]).includes('"Release the cluster"'),
    );
    expect(intoRelease.map(([name]) => name)).toEqual(['May the cluster be released?']);
    expect(states['Cancel the live job'].Catch[0].Assign).toEqual({ mayRelease: false });
    const given = states['Has the job ended?'].Choices.find((c: Definition) =>
      c.Condition.includes('given-up'),
    );
    expect(given.Assign).toEqual({ mayRelease: false });
  });

  it('cancel the live job after every failure of a step that may have left one', () => {
    const { States: states } = definitionOf('backup');
    for (const name of [
      'Validate the request and lock the cluster',
      'Plan the backup',
      'Take the leases',
      'Run backup on host',
      'Verify stored objects',
      'Record the backup',
    ]) {
      expect(states[name].Catch, name).toHaveLength(1);
      expect(states[name].Catch[0].Next, name).toBe('Cancel the live job');
    }
  });
});

describe('the rules themselves', () => {
  const broken = (change: (definition: Definition) => void) => {
    const copy = structuredClone(definitionOf('backup'));
    change(copy);
    return wrongIn(copy).join('\n');
  };

  it.each<[string, (d: Definition) => void, string]>([
    [
      'a variable that was never set',
      (d) => (d.States['Plan the backup'].Arguments.Payload.x = '{% $unset %}'),
      '$unset',
    ],
    [
      'a heartbeat beyond the timeout',
      (d) => (d.States['Run backup on host'].HeartbeatSeconds = 200_000),
      'shorter',
    ],
    [
      'a heartbeat of one beat',
      (d) => (d.States['Run backup on host'].HeartbeatSeconds = 300),
      'three beats',
    ],
    [
      'a timeout that is an expression',
      (d) => (d.States['Plan the backup'].TimeoutSeconds = '{% 60 %}'),
      'literal',
    ],
    [
      'States.ALL before others',
      (d) =>
        d.States['Plan the backup'].Catch.push({
          ErrorEquals: ['States.Timeout'],
          Next: 'The backup failed',
        }),
      'last',
    ],
    [
      'an error name of our own',
      (d) => (d.States['Plan the backup'].Catch[0].ErrorEquals = ['Plan.Refused']),
      'services do not know',
    ],
    ['a JSONPath', (d) => (d.States['Plan the backup'].Arguments.Payload.x = '$.clusterId'), 'JSONPath'],
    [
      'a child that is waited for',
      (d) => (d.States['Plan the backup'].Resource = 'arn:aws:states:::states:startExecution.sync:2'),
      'child',
    ],
    ['a state that cannot be reached', (d) => (d.States.Alone = { Type: 'Succeed' }), 'reached'],
    [
      'broken JSONata',
      (d) => (d.States['Plan the backup'].Arguments.Payload.x = '{% $states.input.( %}'),
      'no JSONata',
    ],
    ['a name that is no sentence', (d) => (d.States.PlanBackup = { Type: 'Succeed' }), 'no sentence'],
  ])('see %s', (_, change, said) => {
    expect(broken(change)).toContain(said);
  });

  it('see an outer variable in a distributed child', () => {
    const copy = structuredClone(definitionOf('fleet-backup'));
    const inner = graphsOf(copy)[1]!.graph.States['Start the backup of this cluster'];
    copy.States['Find the clusters that are due'].Assign = { slot: '{% $states.result.Payload.slot %}' };
    inner.Arguments.Name = '{% $slot %}';
    expect(wrongIn(copy).join('\n')).toContain('$slot');
  });
});
