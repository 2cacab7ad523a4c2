import { makeStartServer, type StartServer } from '../../host/start-server.ts';
import type { Engine } from '../engine.ts';
import { backup } from './backup.ts';
import { inspectMember, inspectTarget } from './inspect.ts';
import { preflight } from './preflight.ts';
import { apply } from './restore/apply.ts';
import { restorePreflight } from './restore/preflight.ts';
import { prepare } from './restore/prepare.ts';
import { start } from './restore/start.ts';
import { unpack } from './restore/unpack.ts';
import { sweepHost, sweepMember } from './sweep.ts';
import { inspectTables } from './tables/live-member.ts';
import { tablesPreflight } from './tables/preflight.ts';
import { restoreTables } from './tables/restore-tables.ts';
import { sweepTables } from './tables/tables-note.ts';
import { findTools } from './versions.ts';

export type MysqlEngineOptions = {
  /** A durable directory of the runner's own (`<root>/state`): what a dead runner's successor must know. */
  stateDirectory: string;
  /** Starts the restored server; without it from the system's directories. */
  startServer?: StartServer;
};

/** The MariaDB physical path, fulls and incrementals. MySQL and Percona servers are refused by name in `inspect`. */
export function makeMysqlEngine({
  stateDirectory,
  startServer = makeStartServer(),
}: MysqlEngineOptions): Engine {
  return {
    abilities: ['incremental', 'tables'],
    tools: (context) => findTools(context.runChild, context.signal),
    inspect: async (order, context) => {
      // A replica whose applier a lost backup left stopped would be found ineligible for ever after (M11).
      await sweepMember(order.member, context, stateDirectory, 'dead').catch((error: Error) => {
        context.log('the applier could not be started again', { cause: error.message });
      });
      return inspectMember(order, context);
    },
    inspectTarget: (order) => inspectTarget(order.target),
    preflight,
    backup: (order, sinks, context) => backup(order, sinks, context, stateDirectory),
    sweep: (order, context) => sweepMember(order.member, context, stateDirectory),
    sweepHost: async (context) =>
      (await sweepHost(context, stateDirectory)) + (await sweepTables(context, stateDirectory)),
    restore: {
      preflight: restorePreflight,
      unpack,
      prepare,
      apply,
      start: (order, manifest, context, log) => start(order, manifest, context, startServer, log),
    },
    tables: {
      inspect: async (order, context) => {
        // Unfinished tables of a runner that died, which nobody would miss.
        await sweepTables(context, stateDirectory);
        return inspectTables(order, context);
      },
      preflight: tablesPreflight,
      restore: (order, stored, context, timed) =>
        restoreTables(order, stored, context, stateDirectory, timed),
    },
  };
}
