import { describe, expect, it } from 'vitest';
import { policySchema } from '../../contract/records/policy.ts';
import { giveUpSeconds } from '../../functions/backup/cancel.ts';
import { shortestPauseSeconds } from '../../functions/backup/lease.ts';
import { namesOf } from '../../infra/names.ts';
import { parseSettings } from '../../infra/settings.ts';
import { type Graph, graphsOf } from './asl-rules.ts';
import { definitionsOf, exampleSettings, synthesized } from './synthesized.ts';

const names = namesOf(parseSettings(exampleSettings()));
const definitions = definitionsOf(synthesized()[names.controlStack]!);
const machines = ['fleet-backup', 'backup', 'restore'] as const;

/** Events that a state leaves in the history when it goes well; a task's fifth and later ones are those of a retry. */
const events: Record<string, number> = { Task: 5 + 3, Wait: 2, Choice: 2, Pass: 2, Map: 4 };
const eventsAtMost = 25_000;

/** The longest window that a policy may have; the one after is refused. */
const longestWindowMinutes = 1440;

/** How often a wait can come before what it waits for is given up. */
const turnsAtMost: Record<string, number> = {
  'Wait for a lease': (longestWindowMinutes * 60) / shortestPauseSeconds,
  'Wait for the job to end': giveUpSeconds / 15,
};

/** Passed once: it says whether it was passed before. */
const gates = ['Was the manifest looked for before?'];

const nextOf = (graph: Graph, name: string): string[] => {
  const state = graph.States[name];
  const exits = [state, ...(state.Choices ?? []), ...(state.Catch ?? [])];
  return exits.flatMap((exit) => [exit.Next, exit.Default]).filter((next) => next !== undefined);
};

/** The shortest way from a state back to itself, without it at the end; undefined where there is none. */
function loopOf(graph: Graph, from: string, without: readonly string[] = []): string[] | undefined {
  const ways = [[from]];
  const seen = new Set<string>();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const next of nextOf(graph, way.at(-1)!)) {
      if (next === from) return way;
      if (seen.has(next) || without.includes(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
  return undefined;
}

describe.each(machines)('the history of an execution of %s', (machine) => {
  const graphs = graphsOf(definitions[names.machine(machine)]!).map(({ graph }) => graph);
  const waits = graphs.flatMap((graph) =>
    Object.keys(graph.States)
      .filter((name) => graph.States[name].Type === 'Wait')
      .map((name) => ({ graph, name })),
  );

  it('F56: grows in no loop but those of a wait that is given up some time', () => {
    for (const graph of graphs) {
      const bounded = [...waits.map(({ name }) => name), ...gates];
      for (const name of Object.keys(graph.States).filter((state) => !bounded.includes(state)))
        expect(loopOf(graph, name, bounded), name).toBeUndefined();
    }
  });

  it('F56: stays below 25,000 events, were every task of every turn repeated once', () => {
    expect(waits.filter(({ name }) => turnsAtMost[name] === undefined)).toEqual([]);
    const most = waits.map(({ graph, name }) => {
      const loop = loopOf(graph, name)!;
      const each = loop.reduce((sum, state) => sum + events[graph.States[state].Type]!, 0);
      return each * turnsAtMost[name]!;
    });
    expect(most.reduce((sum, n) => sum + n, 0)).toBeLessThan(eventsAtMost - 1_000);
  });

  it('F56: is reckoned with the longest window that a policy may have', () => {
    const { schedule } = parseSettings(exampleSettings()).policies[0]!;
    const window = (windowMinutes: number) =>
      policySchema.shape.schedule.safeParse({ ...schedule, windowMinutes }).success;
    expect([window(longestWindowMinutes), window(longestWindowMinutes + 1)]).toEqual([true, false]);
  });
});
