import { makeStartServer, type StartServer } from '../../host/start-server.ts';
import type { Engine } from '../engine.ts';
import { backup } from './backup.ts';
import { inspectMember, inspectTarget } from './inspect.ts';
import { preflight } from './preflight.ts';
import { restorePreflight } from './restore/preflight.ts';
import { prepare } from './restore/prepare.ts';
import { start } from './restore/start.ts';
import { unpack } from './restore/unpack.ts';
import { sweepHost, sweepMember } from './sweep.ts';
import { findTools } from './versions.ts';

export type MysqlEngineOptions = {
  /** A durable directory of the runner's own (`<root>/state`): what a dead runner's successor must know. */
  stateDirectory: string;
  /** Starts the restored server; without it from the system's directories. */
  startServer?: StartServer;
};

/** Physical full backups: MariaDB with mariadb-backup, MySQL and Percona Server with XtraBackup. */
export function makeMysqlEngine({
  stateDirectory,
  startServer = makeStartServer(),
}: MysqlEngineOptions): Engine {
  return {
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
    sweepHost: (context) => sweepHost(context, stateDirectory),
    restore: {
      preflight: restorePreflight,
      unpack,
      prepare,
      start: (order, manifest, context, log) => start(order, manifest, context, startServer, log),
    },
  };
}
