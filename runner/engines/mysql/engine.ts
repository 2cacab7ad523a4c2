import { dirname, join } from 'node:path';
import { sweepLentFiles } from '../../host/lent-file.ts';
import { makeStartServer, type StartServer } from '../../host/start-server.ts';
import type { Engine } from '../engine.ts';
import { backup } from './backup.ts';
import { inspectMember, inspectTarget } from './inspect.ts';
import { logicalBackup } from './logical/backup.ts';
import { completeLogical } from './logical/restore/complete.ts';
import { loadLogical } from './logical/restore/load.ts';
import { sweepDumps } from './logical/spool.ts';
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
import { missingKeys } from './tool-key.ts';
import { findTools } from './versions.ts';

export type MysqlEngineOptions = {
  /** A durable directory of the runner's own (`<root>/state`): what a dead runner's successor must know. */
  stateDirectory: string;
  /** On a disk (`<root>/spool`): where a dump lies until it is stored; beside the state unless it is named. */
  spoolDirectory?: string;
  /** Starts the restored server; without it from the system's directories. */
  startServer?: StartServer;
};

/**
 * Physical backups with mariadb-backup, or with XtraBackup of MySQL and Percona Server, and dumps of MariaDB.
 */
export function makeMysqlEngine({
  stateDirectory,
  spoolDirectory = join(dirname(stateDirectory), 'spool'),
  startServer = makeStartServer(),
}: MysqlEngineOptions): Engine {
  return {
    abilities: [
      'incremental',
      'logical',
      'replay',
      'relay-replay',
      'relay-replay-tables',
      'replay-dumped-tables',
      'tables',
      'tables-of-chains',
    ],
    tools: (context) => findTools(context.runChild, context.signal),
    inspect: async (order, context) => {
      // A replica whose applier a lost backup left stopped would be found ineligible for ever after (M11).
      await sweepMember(order.member, context, stateDirectory, 'dead').catch((error: Error) => {
        context.log('the applier could not be started again', { cause: error.message });
      });
      return inspectMember(order, context, spoolDirectory);
    },
    inspectTarget: async ({ target, keys }, context) => ({
      ...(await inspectTarget(target)),
      ...(keys === undefined ? {} : { missingKeys: await missingKeys(keys, target.hostId, context) }),
    }),
    preflight: (order, context) => preflight(order, context, spoolDirectory),
    backup: (order, sinks, context) =>
      order.plan.method === 'logical'
        ? logicalBackup(order, sinks, context, { stateDirectory, spoolDirectory })
        : backup(order, sinks, context, stateDirectory),
    sweep: (order, context) => {
      sweepDumps(spoolDirectory);
      return sweepMember(order.member, context, stateDirectory);
    },
    sweepHost: async (context) => {
      sweepDumps(spoolDirectory);
      sweepLentFiles();
      return (await sweepHost(context, stateDirectory)) + (await sweepTables(context, stateDirectory));
    },
    restore: {
      preflight: restorePreflight,
      unpack: (order, stored, context) =>
        stored.manifest.plan.method === 'logical'
          ? loadLogical(order, stored, context)
          : unpack(order, stored, context),
      prepare: (order, manifest, context) =>
        manifest.plan.method === 'logical'
          ? completeLogical(order, manifest, context)
          : prepare(order, manifest, context),
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
      restore: (order, stored, context, log, timed, below) =>
        restoreTables(order, stored, context, log, stateDirectory, timed, below),
    },
  };
}
