import jsonata from 'jsonata';
import type { Definition } from '../../infra/synthesized.ts';

/** An error as Step Functions has it. */
export class StateError extends Error {
  override readonly name: string;
  constructor(name: string, cause: string) {
    super(cause);
    this.name = name;
  }
}

/** Somebody has stopped the execution, or its time was over: no state hears of it. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** What a machine reaches outside of itself. Everything throws `StateError`s. */
export type Hands = {
  invoke: (functionArn: string, payload: unknown) => Promise<unknown>;
  startExecution: (machineArn: string, name: string, input: unknown) => Promise<unknown>;
  /** Lines of what an item reader reads. */
  readItems: (bucket: string, key: string) => Promise<unknown[]>;
  mintToken: () => string;
  /** Nobody waits for this token any more. */
  dropToken: (token: string) => void;
  /** Waits for the answer to a token; States.HeartbeatTimeout or States.Timeout where none comes. */
  answerOf: (token: string, limits: { heartbeat: number; timeout: number }) => Promise<unknown>;
  sleep: (seconds: number) => Promise<void>;
  now: () => Date;
  /** Told of every state that is entered; throws Stopped where the execution ends there. */
  enter: (executionArn: string, state: string) => void;
};

export type Ended =
  | { status: 'succeeded'; output: unknown }
  | { status: 'failed'; error: string; cause: string };

type Variables = Record<string, unknown>;
type Scope = { input: unknown; context: unknown; result?: unknown; errorOutput?: unknown };

const compiled = new Map<string, jsonata.Expression>();
const expressionOf = (text: string) => {
  const known = compiled.get(text) ?? jsonata(text);
  compiled.set(text, known);
  return known;
};

const plain = <T>(value: T): T => (value === undefined ? value : JSON.parse(JSON.stringify(value)));

/** A value with every `{% … %}` in it evaluated. */
async function evaluated(value: unknown, scope: Scope, variables: Variables, now: Date): Promise<unknown> {
  if (typeof value === 'string') {
    const expression = /^\{%(.*)%\}$/s.exec(value)?.[1];
    if (expression === undefined) return value;
    const bindings = { ...variables, states: scope, now: () => now.toISOString() };
    const answer = await expressionOf(expression).evaluate(undefined, bindings);
    if (answer === undefined)
      throw new StateError('States.QueryEvaluationError', `${expression} is undefined`);
    return plain(answer);
  }
  if (Array.isArray(value)) return Promise.all(value.map((v) => evaluated(v, scope, variables, now)));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(async ([k, v]) => [k, await evaluated(v, scope, variables, now)]);
  return Object.fromEntries(await Promise.all(entries));
}

const matches = (names: string[], error: string) =>
  names.some(
    (name) =>
      name === error || name === 'States.ALL' || (name === 'States.TaskFailed' && error !== 'States.Timeout'),
  );

/**
 * Walks one execution of a synthesized definition: the kinds of states and fields that our machines are made of, and
 * no others. The journey of a backup holds it to the states that the emulator enters.
 */
export async function walk(
  machine: Definition,
  executionArn: string,
  input: unknown,
  hands: Hands,
): Promise<Ended> {
  const graph = async (
    { StartAt, States }: Definition,
    given: unknown,
    variables: Variables,
  ): Promise<unknown> => {
    let name: string = StartAt;
    let at: unknown = given;
    for (;;) {
      const state = States[name];
      hands.enter(executionArn, name);
      const done = await step(state, at, variables);
      if (done.next === undefined) return done.output;
      name = done.next;
      at = done.output;
    }
  };

  const task = async (state: Definition, scope: Scope, variables: Variables): Promise<unknown> => {
    const isCallback = String(state.Resource).endsWith('.waitForTaskToken');
    const token = isCallback ? hands.mintToken() : undefined;
    const context = { ...(scope.context as object), ...(token ? { Task: { Token: token } } : {}) };
    const args = (await evaluated(
      state.Arguments,
      { ...scope, context },
      variables,
      hands.now(),
    )) as Definition;
    if (String(state.Resource).includes(':states:startExecution')) {
      return hands.startExecution(args.StateMachineArn, args.Name, args.Input);
    }
    if (token === undefined) return { Payload: await hands.invoke(args.FunctionName, args.Payload) };
    try {
      await hands.invoke(args.FunctionName, args.Payload);
    } catch (thrown) {
      hands.dropToken(token);
      throw thrown;
    }
    return hands.answerOf(token, { heartbeat: state.HeartbeatSeconds, timeout: state.TimeoutSeconds });
  };

  const map = async (state: Definition, scope: Scope, variables: Variables): Promise<unknown> => {
    const items = state.ItemReader
      ? await (async () => {
          const args = await evaluated(state.ItemReader.Arguments, scope, variables, hands.now());
          return hands.readItems((args as Definition).Bucket, (args as Definition).Key);
        })()
      : ((await evaluated(state.Items, scope, variables, hands.now())) as unknown[]);
    const results: unknown[] = [];
    for (const item of items) {
      const own = state.ItemReader ? {} : { ...variables };
      try {
        results.push(await graph(state.ItemProcessor, item, own));
      } catch (thrown) {
        if (!(thrown instanceof StateError) || state.ToleratedFailurePercentage !== 100) throw thrown;
      }
    }
    return results;
  };

  /** A task or map with its retries. */
  const attempts = async (state: Definition, scope: Scope, variables: Variables): Promise<unknown> => {
    const used = new Map<Definition, number>();
    for (;;) {
      try {
        return state.Type === 'Map'
          ? await map(state, scope, variables)
          : await task(state, scope, variables);
      } catch (thrown) {
        if (!(thrown instanceof StateError)) throw thrown;
        const rule = (state.Retry ?? []).find((r: Definition) => matches(r.ErrorEquals, thrown.name));
        const count = used.get(rule) ?? 0;
        if (rule === undefined || count >= rule.MaxAttempts) throw thrown;
        used.set(rule, count + 1);
        await hands.sleep(rule.IntervalSeconds * rule.BackoffRate ** count);
      }
    }
  };

  const leave = async (
    exit: Definition,
    scope: Scope,
    variables: Variables,
    otherwise: unknown,
  ): Promise<{ next: string | undefined; output: unknown }> => {
    const output =
      exit.Output === undefined ? otherwise : await evaluated(exit.Output, scope, variables, hands.now());
    const assigned = await evaluated(exit.Assign ?? {}, scope, variables, hands.now());
    Object.assign(variables, assigned);
    return { next: exit.Next, output };
  };

  const step = async (state: Definition, given: unknown, variables: Variables) => {
    const scope: Scope = { input: given, context: { Execution: { Id: executionArn } } };
    switch (state.Type) {
      case 'Task':
      case 'Map':
        try {
          const result = await attempts(state, scope, variables);
          return await leave(state, { ...scope, result }, variables, result);
        } catch (thrown) {
          if (!(thrown instanceof StateError)) throw thrown;
          const exit = (state.Catch ?? []).find((c: Definition) => matches(c.ErrorEquals, thrown.name));
          if (exit === undefined) throw thrown;
          const errorOutput = { Error: thrown.name, Cause: thrown.message };
          return leave(exit, { ...scope, errorOutput }, variables, errorOutput);
        }
      case 'Choice': {
        for (const choice of state.Choices) {
          if (await evaluated(choice.Condition, scope, variables, hands.now()))
            return leave(choice, scope, variables, given);
        }
        return { next: state.Default as string, output: given };
      }
      case 'Wait':
        await hands.sleep(Number(await evaluated(state.Seconds, scope, variables, hands.now())));
        return leave(state, scope, variables, given);
      case 'Pass':
        return leave(state, scope, variables, given);
      case 'Succeed':
        return leave({ ...state, Next: undefined }, scope, variables, given);
      case 'Fail': {
        const error = await evaluated([state.Error, state.Cause], scope, variables, hands.now());
        const [name, cause] = error as [string, string];
        throw new StateError(name, cause);
      }
      default:
        throw new Error(`our machines have no state of type ${state.Type}`);
    }
  };

  try {
    return { status: 'succeeded', output: await graph(machine, plain(input), {}) };
  } catch (thrown) {
    if (thrown instanceof Stopped)
      return { status: 'failed', error: 'Execution.ABORTED', cause: 'it was stopped' };
    if (!(thrown instanceof StateError)) throw thrown;
    return { status: 'failed', error: thrown.name, cause: thrown.message };
  }
}
