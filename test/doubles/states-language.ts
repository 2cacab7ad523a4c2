import jsonata from 'jsonata';
import type { Definition } from '../infra/synthesized.ts';

export type TestedState = {
  definition: string;
  stateName?: string;
  input?: string;
  variables?: string;
  context?: string;
  mock?: { result?: string; errorOutput?: { error?: string; cause?: string } };
};

type Bindings = Record<string, unknown>;

class QueryFailed extends Error {}

/** An expression that yields nothing is an error to Step Functions, not an absent field. */
async function query(text: string, bindings: Bindings): Promise<unknown> {
  const value = await jsonata(text.slice(2, -2).trim()).evaluate({}, bindings);
  if (value === undefined) throw new QueryFailed(`${text} yields nothing`);
  return value;
}

/** A value with every `{% … %}` in it evaluated. */
async function evaluated(value: unknown, bindings: Bindings): Promise<unknown> {
  if (typeof value === 'string')
    return value.startsWith('{%') && value.endsWith('%}') ? query(value, bindings) : value;
  if (Array.isArray(value)) return Promise.all(value.map((inner) => evaluated(inner, bindings)));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(
    async ([key, inner]) => [key, await evaluated(inner, bindings)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

async function chosen(state: Definition, bindings: Bindings): Promise<Definition> {
  for (const choice of state.Choices) {
    const holds = await query(choice.Condition, bindings);
    if (typeof holds !== 'boolean') throw new QueryFailed(`${choice.Condition} is no boolean`);
    if (holds) return choice;
  }
  return { Next: state.Default };
}

const taken = (error: string, catchers: Definition[] = []) =>
  catchers.find(({ ErrorEquals: names }) => names.includes(error) || names.includes('States.ALL'));

/**
 * One state as Step Functions runs it (Amazon States Language, JSONata): arguments, result, output and assignments are
 * all evaluated, and what yields nothing fails as `States.QueryEvaluationError`.
 */
export async function testState(request: TestedState) {
  const parsed: Definition = JSON.parse(request.definition);
  const state: Definition = request.stateName ? parsed.States[request.stateName] : parsed;
  const { input = '{}', variables = '{}', context = '{}', mock } = request;
  const states: Bindings = { input: JSON.parse(input), context: JSON.parse(context) };
  const bindings = () => ({ ...JSON.parse(variables), states });
  try {
    if (state.Type === 'Choice') {
      const choice = await chosen(state, bindings());
      await evaluated([choice.Output ?? null, choice.Assign ?? null], bindings());
      return { status: 'SUCCEEDED', nextState: choice.Next };
    }
    if (state.Type === 'Fail') {
      const { Error: error, Cause: cause } = (await evaluated(
        { Error: state.Error, Cause: state.Cause },
        bindings(),
      )) as Record<string, string>;
      return { status: 'FAILED', error, cause };
    }
    if (state.Type === 'Wait') await evaluated([state.Seconds ?? null, state.Timestamp ?? null], bindings());
    if (state.Type === 'Task' || state.Type === 'Map') {
      await evaluated([state.Arguments ?? null, state.Items ?? null], bindings());
      const thrown = mock?.errorOutput;
      if (thrown) {
        const { error = '', cause = '' } = thrown;
        const catcher = taken(error, state.Catch);
        if (!catcher) return { status: 'FAILED', error, cause };
        states.errorOutput = { Error: error, Cause: cause };
        await evaluated([catcher.Output ?? null, catcher.Assign ?? null], bindings());
        return { status: 'CAUGHT_ERROR', error, cause, nextState: catcher.Next };
      }
      states.result = JSON.parse(mock?.result ?? 'null');
    }
    await evaluated([state.Output ?? null, state.Assign ?? null], bindings());
    return { status: 'SUCCEEDED', ...(state.Next ? { nextState: state.Next } : {}) };
  } catch (failed) {
    return { status: 'FAILED', error: 'States.QueryEvaluationError', cause: (failed as Error).message };
  }
}
