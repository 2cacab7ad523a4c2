import type { TestStateInput } from '@aws-sdk/client-sfn';
import { graphsOf } from '../infra/asl-rules.ts';
import type { Definition } from '../infra/synthesized.ts';

/** What AWS must answer to a TestState request. */
export type StateAnswer = { status: string; nextState?: string; error?: string };
export type StateCase = { name: string; request: TestStateInput; expected: StateAnswer };

const error = { name: 'Some.Refusal', cause: 'it was refused' };

/**
 * An answer that carries every field that any function of ours may carry, so that whatever a state reads is there;
 * `outcome` decides the way.
 */
const answer = (outcome: string) => ({
  outcome,
  error,
  clusterId: 'shop',
  memberId: 'db1',
  backupId: '20261123T020007Z-9f2c41d07ab86e35',
  jobId: 'job-1',
  hostId: 'i-0a',
  slot: '20261123T0200Z',
  attempt: 1,
  lock: 'cluster:shop',
  leases: ['fleet'],
  checks: { manifestSha256: '0'.repeat(64), volumes: 3, bytes: 1 },
  reasons: [],
  state: 'verified',
  bytes: 1,
  storedBytes: 1,
  seconds: 5,
  volumes: 3,
  waitUntil: '2026-11-23T04:00:00Z',
  deadlineSeconds: 86_400,
  order: { kind: 'check' },
  key: 'due/nightly/20261123T0200Z.jsonl',
  name: 'shop-20261123T0200Z-1',
  input: '{"v":1}',
  directory: '/data/restored',
  comparison: 'exact',
});

/** Every variable that our machines assign, as it may be at any state. */
const variables = {
  admitted: { ...answer('admitted'), checks: [answer('planned')] },
  planned: { ...answer('planned'), check: answer('planned') },
  fits: answer('fits'),
  inspections: [],
  recorded: { state: 'verified' },
  restored: { directory: '/data/restored' },
  failure: error,
  events: [],
  leases: ['fleet'],
  clusterId: 'shop',
  backupId: '20261123T020007Z-9f2c41d07ab86e35',
  slot: '20261123T0200Z',
  attempt: 1,
  lock: 'cluster:shop',
  verdict: 'verified',
  reasons: [],
  manifestSha256: '0'.repeat(64),
  confirms: null,
  since: '2026-11-23T02:00:00Z',
  ending: 'failed',
  mayRelease: true,
  manifestSought: false,
};

/** What makes each condition of ours hold: an outcome in the input, or a variable. */
function making(condition: string): { input: object; variables: object } {
  const outcome = /\$states\.input\.outcome = '([^']+)'/.exec(condition)?.[1];
  if (outcome) return { input: answer(outcome), variables };
  const text = /^\{% \$(\w+) = '([^']+)' %\}$/.exec(condition);
  if (text?.[1]) return { input: answer('none'), variables: { ...variables, [text[1]]: text[2] } };
  const flag = /^\{% \$(\w+) %\}$/.exec(condition);
  if (flag?.[1]) return { input: answer('none'), variables: { ...variables, [flag[1]]: true } };
  throw new Error(`say here what makes this condition hold: ${condition}`);
}

/** None of our conditions holds. */
const otherwise = {
  input: answer('none'),
  variables: { ...variables, ending: 'failed', mayRelease: false, manifestSought: false },
};

const context = {
  Execution: {
    Id: 'arn:aws:states:eu-central-1:111111111111:execution:holdfast-backup:shop-now-1',
    Name: 'shop-now-1',
  },
  Task: { Token: 'token-of-this-test' },
};

/**
 * Requests that test every state of a machine: each case of each choice, each task with an answer and with an error
 * that its Catch takes, each end.
 */
export function stateCases(machine: string, definition: Definition): StateCase[] {
  return graphsOf(definition).flatMap(({ graph, mapName }) =>
    Object.entries(graph.States).flatMap(([stateName, state]) => {
      // A state within a map is tested on its own: only states at the top can be named.
      const of = mapName
        ? { definition: JSON.stringify({ QueryLanguage: 'JSONata', ...state }) }
        : { definition: JSON.stringify(definition), stateName };
      const make = (
        what: string,
        given: { input: object; variables: object },
        expected: StateAnswer,
        mock?: TestStateInput['mock'],
      ): StateCase => ({
        name: `${machine}: ${stateName}: ${what}`,
        request: {
          ...of,
          input: JSON.stringify(given.input),
          variables: JSON.stringify(given.variables),
          inspectionLevel: 'DEBUG',
          // A context may only be given with a mock.
          ...(mock
            ? { mock: { fieldValidationMode: 'NONE', ...mock }, context: JSON.stringify(context) }
            : {}),
        },
        expected,
      });
      const next = (to: string | undefined): StateAnswer => ({
        status: 'SUCCEEDED',
        ...(to === undefined ? {} : { nextState: to }),
      });
      switch (state.Type) {
        case 'Choice':
          return [
            ...state.Choices.map((choice: Definition) =>
              make(choice.Condition, making(choice.Condition), next(choice.Next)),
            ),
            make('otherwise', otherwise, next(state.Default)),
          ];
        case 'Map':
        case 'Task': {
          const given = { input: answer('done'), variables };
          const waits = String(state.Resource).endsWith('.waitForTaskToken');
          const result =
            state.Type === 'Map' ? [] : waits ? answer('done') : { Payload: answer('done'), StatusCode: 200 };
          const [catcher] = state.Catch ?? [];
          const thrown = catcher?.ErrorEquals.includes('States.ALL')
            ? 'Some.Failure'
            : catcher?.ErrorEquals[0];
          const caught = { status: 'CAUGHT_ERROR', error: thrown, nextState: catcher?.Next };
          const failing = { errorOutput: { error: thrown, cause: 'of this test' } };
          return [
            make('answered', given, next(state.Next), { result: JSON.stringify(result) }),
            ...(thrown ? [make('failed', given, caught, failing)] : []),
          ];
        }
        case 'Fail': {
          const given = { input: { error }, variables };
          return [make('ends', given, { status: 'FAILED', error: error.name })];
        }
        case 'Pass':
        case 'Succeed':
        case 'Wait':
          // A wait is not sat through here: TestState waits as a machine would, at most 5 minutes.
          return [make('goes on', { input: { ...answer('none'), seconds: 1 }, variables }, next(state.Next))];
        default:
          throw new Error(`${stateName} is a ${state.Type}: say here how it is tested`);
      }
    }),
  );
}
