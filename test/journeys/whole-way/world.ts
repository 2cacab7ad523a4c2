import { rmSync } from 'node:fs';
import { StartExecutionCommand } from '@aws-sdk/client-sfn';
import { expect } from 'vitest';
import { applicationAccount } from '../../../infra/local/data.ts';
import { type ExecutionEnd, followExecution } from '../../../infra/local/follow-execution.ts';
import { type LocalServers, startLocalServers } from '../../../infra/local/local-servers.ts';
import { localPaths } from '../../../infra/local/paths.ts';
import { openRegistry, type ProcessRegistry, stopChildrenAtExit } from '../../../infra/local/processes.ts';
import { factsOf, type ServerFacts } from '../../../infra/local/proof.ts';
import { invoke, localDocuments } from '../../../infra/local/register-documents.ts';
import { type LocalTarget, startTarget } from '../../../infra/local/target.ts';
import { startWriter, type Writer } from '../../../infra/local/writer.ts';
import type { MachineName } from '../../../infra/names.ts';
import { startReadyAws } from '../support/ready-aws/start.ts';
import { type EventQueue, subscribe } from './events.ts';
import { disableSchedules } from './schedules.ts';
import { type Tables, tablesOf } from './tables.ts';

/** One deployment with its hosts and servers, which all journeys of a run go through, one after the other. */
export type World = {
  registry: ProcessRegistry;
  target: LocalTarget;
  servers: LocalServers;
  writer: Writer;
  /** What the cluster holds besides the writer's table; chapters that change it put it back. */
  facts: ServerFacts;
  /** Process ids of the agents, the primary's first; none before archiving begins. */
  agents: number[];
  events: EventQueue;
  tables: Tables;
  documents: ReturnType<typeof localDocuments>;
  /** Directory of an `aws` that needs no time to start, once it is asked for. */
  aws: () => Promise<string>;
};

export const quiet = () => {};

/** Deploys, starts the servers with 20 MB of data and a writer, and takes the clock out: schedules are disabled. */
export async function startWorld(purpose = 'journey'): Promise<World> {
  const registry = openRegistry(localPaths(purpose).pids);
  stopChildrenAtExit(registry);
  await registry.stopOrphans();
  const target = await startTarget({ purpose, registry, say: quiet });
  await disableSchedules(target);
  const { paths, hosts } = target;
  const servers = await startLocalServers({ paths, registry, hosts, bytes: 20e6, say: quiet });
  let aws: Promise<string> | undefined;
  const connection = await servers.replica.connect();
  const facts = await factsOf(connection);
  await connection.end();
  return {
    registry,
    target,
    servers,
    writer: await startWriter({ socketPath: servers.primary.socket, ...applicationAccount }, 20),
    facts,
    agents: [],
    events: await subscribe(target),
    tables: tablesOf(target),
    documents: localDocuments(servers, target.settings.control),
    aws: () => {
      aws ??= startReadyAws(registry, paths);
      return aws;
    },
  };
}

export async function stopWorld(world: World | undefined): Promise<void> {
  await world?.writer.stop();
  await world?.registry.stopAll();
  await world?.target.stop();
  if (world) rmSync(world.target.paths.run, { recursive: true, force: true });
}

/** Starts a machine; answers the execution's ARN at once. */
export async function start(
  { target }: World,
  machine: MachineName,
  input: unknown,
  name?: string,
): Promise<string> {
  const { executionArn } = await target.clients.sfn.send(
    new StartExecutionCommand({
      stateMachineArn: target.names.machineArn(machine),
      input: JSON.stringify(input),
      ...(name === undefined ? {} : { name }),
    }),
  );
  return executionArn ?? '';
}

/** Waits for an execution's end. */
export const ended = ({ target: { clients, names } }: World, arn: string): Promise<ExecutionEnd> =>
  followExecution({
    arn,
    sfn: clients.sfn,
    tables: clients.tables,
    jobsTable: names.jobsTable,
    timeoutSeconds: 120,
    everyMs: 100,
  });

export const run = async (world: World, machine: MachineName, input: unknown, name?: string) =>
  ended(world, await start(world, machine, input, name));

/** Invokes one of our functions. */
export const ask = ({ target }: World, name: string, input: unknown): Promise<unknown> =>
  invoke(target.clients.lambda, target.names.function(name), input);

export const register = (world: World, document: unknown) => ask(world, 'register', document);

/** The output of an execution that must have succeeded; its error is shown where it has not. */
export function succeeded(end: ExecutionEnd): unknown {
  const { status, error, cause } = end;
  expect({ status, error, cause }).toEqual({ status: 'SUCCEEDED', error: undefined, cause: undefined });
  return end.output;
}

/** An execution that must have failed by this name, with these words in its cause. */
export function failed(end: ExecutionEnd, error: string, ...words: string[]): void {
  expect({ status: end.status, error: end.error, cause: end.cause }).toMatchObject({
    status: 'FAILED',
    error,
  });
  for (const word of words) expect(end.cause).toContain(word);
}
