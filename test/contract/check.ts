import { type IAMClient, SimulateCustomPolicyCommand } from '@aws-sdk/client-iam';
import { type SFNClient, TestStateCommand, ValidateStateMachineDefinitionCommand } from '@aws-sdk/client-sfn';
import { deployed } from '../infra/policies/deployed.ts';
import { definitionsOf, synthesized } from '../infra/synthesized.ts';
import { policyCases, simulation } from './policies.ts';
import { stateCases } from './states.ts';

export type Outcome = { name: string; difference: string | undefined };

const differing = (expected: object, actual: object): string | undefined => {
  const [wanted, got] = [expected, actual].map((value) => JSON.stringify(value));
  return wanted === got ? undefined : `expected ${wanted}, AWS answers ${got}`;
};

/** What went wrong with a request as a whole counts as a difference of its own case; the others are still asked. */
async function asked(name: string, ask: () => Promise<string | undefined>): Promise<Outcome> {
  try {
    return { name, difference: await ask() };
  } catch (error) {
    const { name: kind, message } = error as Error;
    return { name, difference: `${kind}: ${message}` };
  }
}

/** Asks AWS about definitions, states and policies of an installation with these settings, one after the other. */
export async function checkContract(input: {
  settings: unknown;
  sfn: Pick<SFNClient, 'send'>;
  iam: Pick<IAMClient, 'send'>;
  say: (outcome: Outcome) => void;
}): Promise<Outcome[]> {
  const { settings, sfn, iam, say } = input;
  const all = deployed(settings);
  const definitions = Object.entries(definitionsOf(synthesized(settings)[all.names.controlStack]!));
  const outcomes: Outcome[] = [];
  const note = async (name: string, ask: () => Promise<string | undefined>) => {
    const outcome = await asked(name, ask);
    outcomes.push(outcome);
    say(outcome);
  };
  for (const [machine, definition] of definitions) {
    await note(`${machine}: the definition`, async () => {
      const { result, diagnostics = [] } = await sfn.send(
        new ValidateStateMachineDefinitionCommand({
          definition: JSON.stringify(definition),
          type: 'STANDARD',
          severity: 'WARNING',
        }),
      );
      const said = diagnostics.map(
        ({ severity, code, message, location }) => `${severity} ${code} ${message} ${location}`,
      );
      return differing({ result: 'OK', said: [] }, { result, said });
    });
    for (const { name, request, expected } of stateCases(machine, definition)) {
      await note(name, async () => {
        const { status, nextState, error, cause } = await sfn.send(new TestStateCommand(request));
        const actual = {
          status,
          ...(nextState === undefined ? {} : { nextState }),
          ...(expected.error === undefined && status === 'SUCCEEDED' ? {} : { error }),
        };
        const wanted = {
          status: expected.status,
          ...(expected.nextState === undefined ? {} : { nextState: expected.nextState }),
          ...(expected.error === undefined ? {} : { error: expected.error }),
        };
        const difference = differing(wanted, actual);
        return difference && cause ? `${difference} (${cause})` : difference;
      });
    }
  }
  for (const one of policyCases(all)) {
    await note(`policy: ${one.name}`, async () => {
      const { EvaluationResults: [result] = [] } = await iam.send(
        new SimulateCustomPolicyCommand(simulation(all, one)),
      );
      const missing = result?.MissingContextValues ?? [];
      return differing(
        { decision: one.expected, missing: [] },
        // A key that the request under test does not carry is meant to be missing.
        { decision: result?.EvalDecision, missing: missing.filter((key) => key in one.context) },
      );
    });
  }
  return outcomes;
}
