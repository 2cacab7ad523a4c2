import { startServer } from '../../host/start-server.ts';
import type { Engine } from '../engine.ts';
import { sweepApplier } from './applier.ts';
import { backup } from './backup.ts';
import { inspectMember, inspectTarget } from './inspect.ts';
import { resolveLogin } from './login.ts';
import { preflight } from './preflight.ts';
import { restorePreflight } from './restore/preflight.ts';
import { prepare } from './restore/prepare.ts';
import { start } from './restore/start.ts';
import { unpack } from './restore/unpack.ts';
import { findTools } from './versions.ts';

export type MysqlEngineOptions = {
  /** A durable directory of the runner's own (`<root>/state`): what a dead runner's successor must know. */
  stateDirectory: string;
};

/** The MariaDB physical full path. MySQL and Percona servers are refused by name in `inspect`. */
export function makeMysqlEngine({ stateDirectory }: MysqlEngineOptions): Engine {
  return {
    tools: (context) => findTools(context.runChild, context.signal),
    inspect: inspectMember,
    inspectTarget: (order) => inspectTarget(order.target),
    preflight,
    backup: (order, sinks, context) => backup(order, sinks, context, stateDirectory),
    sweep: (order, context) =>
      sweepApplier(order, () => resolveLogin(order.member, context), stateDirectory, context.log),
    restore: {
      preflight: restorePreflight,
      unpack,
      prepare,
      start: (order, manifest, context) => start(order, manifest, context, startServer),
    },
  };
}
