import jsonata from 'jsonata';
import type { Definition } from './synthesized.ts';

/**
 * What AWS refuses or does at run time, and neither the emulator nor asl-validator tells. Each rule answers
 * sentences about what is wrong; an empty list is a sound definition.
 */

type State = Definition;
export type Graph = { StartAt: string; States: Record<string, State> };

const passing = /^(States\.[A-Za-z]+|Lambda\.[A-Za-z]+Exception|StepFunctions\.[A-Za-z]+Exception)$/;
const sentence = /^[A-Z][a-z]*( [a-z']+)*( [a-z']+\?)?$/;
const taskHeartbeat = 300;

/** Every string in a value, with where it stands. */
function strings(value: unknown, at = ''): [string, string][] {
  if (typeof value === 'string') return [[at, value]];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => strings(inner, at ? `${at}.${key}` : key));
}

const isExpression = (s: string) => s.startsWith('{%') && s.endsWith('%}');
const expressionsIn = (value: unknown) =>
  strings(value)
    .filter(([, s]) => isExpression(s))
    .map(([at, s]) => [at, s.slice(2, -2).trim()] as const);

/** Names of the variables an expression reads, by its syntax tree: calls and `$states` are no variables. */
function variablesOf(expression: string): string[] {
  const found: string[] = [];
  const walk = (node: unknown, key?: string) => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) {
      for (const inner of node) walk(inner, key);
      return;
    }
    const { type, value } = node as { type?: string; value?: unknown };
    if (type === 'variable' && key !== 'procedure' && value !== 'states') found.push(String(value));
    for (const [name, inner] of Object.entries(node)) walk(inner, name);
  };
  walk(jsonata(expression).ast());
  return found;
}

/** Every graph of a definition: its own and those of its maps, with the map that holds each. */
export function graphsOf(definition: Definition): { graph: Graph; map?: State; mapName?: string }[] {
  const inner = Object.entries(definition.States as Record<string, State>).flatMap(([mapName, map]) =>
    map.ItemProcessor ? graphsOf(map.ItemProcessor).map((g) => (g.map ? g : { ...g, map, mapName })) : [],
  );
  return [{ graph: definition }, ...inner];
}

export const allStates = (definition: Definition): [string, State][] =>
  graphsOf(definition).flatMap(({ graph }) => Object.entries(graph.States));

/** Where a state may go, and what is assigned on the way. */
function exitsOf(state: State): { to: string; assigned: string[] }[] {
  const assigned = Object.keys(state.Assign ?? {});
  return [
    ...(state.Next ? [{ to: state.Next, assigned }] : []),
    ...(state.Default ? [{ to: state.Default, assigned }] : []),
    ...[...(state.Choices ?? []), ...(state.Catch ?? [])].map((exit: State) => ({
      to: exit.Next,
      assigned: Object.keys(exit.Assign ?? {}),
    })),
  ];
}

/** The variables that are set on every way to each state. Unreachable states are missing in the answer. */
function setBefore(graph: Graph, atStart: Set<string>): Map<string, Set<string>> {
  const before = new Map([[graph.StartAt, atStart]]);
  const queue = [graph.StartAt];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    for (const { to, assigned } of exitsOf(graph.States[name])) {
      const arriving = new Set([...before.get(name)!, ...assigned]);
      const known = before.get(to);
      const both = known ? new Set([...known].filter((variable) => arriving.has(variable))) : arriving;
      if (known && both.size === known.size) continue;
      before.set(to, both);
      queue.push(to);
    }
  }
  return before;
}

function variables(graph: Graph, atStart: Set<string>, within = ''): string[] {
  const before = setBefore(graph, atStart);
  return Object.entries(graph.States).flatMap(([name, state]) => {
    const known = before.get(name);
    if (!known) return [`${within}${name}: cannot be reached`];
    const { ItemProcessor: processor, ...own } = state;
    const wrong = expressionsIn(own).flatMap(([at, expression]) => {
      try {
        return variablesOf(expression)
          .filter((variable) => !known.has(variable))
          .map(
            (variable) => `${within}${name}: ${at} reads $${variable}, which is not set on every way there`,
          );
      } catch (broken) {
        return [`${within}${name}: ${at} is no JSONata: ${(broken as Error).message}`];
      }
    });
    if (!processor) return wrong;
    const distributed = processor.ProcessorConfig.Mode === 'DISTRIBUTED';
    const shadowed = Object.values(processor.States as Record<string, State>)
      .flatMap((s) => exitsOf(s).flatMap((exit) => exit.assigned))
      .filter((variable) => known.has(variable))
      .map((variable) => `${name}: an inner state assigns the outer $${variable}`);
    // A distributed child is an execution of its own: it sees none of its parent's variables.
    return [...wrong, ...shadowed, ...variables(processor, distributed ? new Set() : known, `${name} / `)];
  });
}

function timing(name: string, state: State): string[] {
  if (state.Type !== 'Task') return [];
  const wrong: string[] = [];
  const { TimeoutSeconds: timeout, HeartbeatSeconds: heartbeat } = state;
  if (typeof timeout !== 'number') wrong.push(`${name}: TimeoutSeconds must be a literal number`);
  if (String(state.Resource).endsWith('.waitForTaskToken')) {
    if (typeof heartbeat !== 'number') wrong.push(`${name}: waits for a callback without a heartbeat`);
    else {
      if (heartbeat >= timeout) wrong.push(`${name}: the heartbeat must be shorter than the timeout`);
      if (heartbeat < Math.min(3 * taskHeartbeat, 0.9 * timeout)) {
        wrong.push(`${name}: the heartbeat leaves no room for three beats`);
      }
    }
    if (!JSON.stringify(state.Arguments).includes('$states.context.Task.Token')) {
      wrong.push(`${name}: waits for a token that it does not hand out`);
    }
  } else if (JSON.stringify(state).includes('Task.Token')) wrong.push(`${name}: there is no token here`);
  if (/\.sync(:\d)?$/.test(String(state.Resource)))
    wrong.push(`${name}: waits for a child; stopping it would not stop the child`);
  return wrong;
}

function errors(name: string, state: State): string[] {
  const wrong: string[] = [];
  for (const kind of ['Retry', 'Catch'] as const) {
    const rules = (state[kind] ?? []) as { ErrorEquals: string[] }[];
    rules.forEach((rule, i) => {
      for (const error of rule.ErrorEquals) {
        if (!passing.test(error))
          wrong.push(`${name}: ${kind} on ${error}, a name that the services do not know`);
      }
      if (rule.ErrorEquals.includes('States.ALL') && (i < rules.length - 1 || rule.ErrorEquals.length > 1)) {
        wrong.push(`${name}: States.ALL must stand alone and last in ${kind}`);
      }
    });
  }
  return wrong;
}

/** Tasks and maps without a Catch for everything; a test lists the reason of each. */
export const uncaught = (definition: Definition): string[] =>
  allStates(definition)
    .filter(([, state]) => state.Type === 'Task' || state.Type === 'Map')
    .filter(([, { Catch = [] }]) => !Catch.some((c: State) => c.ErrorEquals.includes('States.ALL')))
    .map(([name]) => name);

function dialect(name: string, { ItemProcessor: _inner, ...state }: State): string[] {
  const wrong = strings(state)
    .filter(([at, s]) => !isExpression(s) && (/^\$[.$]/.test(s) || /\.\$$/.test(at)))
    .map(([at, s]) => `${name}: ${at} is a JSONPath: ${s}`);
  for (const field of ['InputPath', 'OutputPath', 'ResultPath', 'Parameters', 'ResultSelector', 'Variable']) {
    if (field in state) wrong.push(`${name}: ${field} belongs to JSONPath`);
  }
  for (const field of ['ItemBatcher', 'ResultWriter', 'ItemSelector']) {
    if (field in state) wrong.push(`${name}: ${field} does nothing on the local target`);
  }
  for (const [at, expression] of expressionsIn(state)) {
    const place = at.split('.')[0];
    if (/\$states\.errorOutput/.test(expression) && place !== 'Catch')
      wrong.push(`${name}: ${at} has no error to read`);
    if (/\$states\.result\b/.test(expression) && !['Output', 'Assign'].includes(place!)) {
      wrong.push(`${name}: ${at} has no result to read`);
    }
    if (/"|\$eval\b|^\$\$/.test(expression))
      wrong.push(`${name}: ${at} uses what Step Functions does not take`);
  }
  return wrong;
}

/** Everything that is wrong with a definition, as sentences. */
export function wrongIn(definition: Definition): string[] {
  const states = allStates(definition);
  const names = states.map(([name]) => name);
  return [
    ...(definition.QueryLanguage === 'JSONata' ? [] : ['the machine must be in JSONata']),
    ...(typeof definition.TimeoutSeconds === 'number' ? [] : ['the machine has no timeout']),
    ...names.filter((name, i) => names.indexOf(name) !== i).map((name) => `${name}: used twice`),
    ...variables(definition, new Set()),
    ...states.flatMap(([name, state]) => [
      ...(sentence.test(name) && name.length <= 80 ? [] : [`${name}: is no sentence`]),
      ...timing(name, state),
      ...errors(name, state),
      ...dialect(name, state),
    ]),
  ];
}
