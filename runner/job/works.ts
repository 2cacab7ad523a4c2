import type { Order } from '../../contract/records/job.ts';
import type { Engine } from '../engines/engine.ts';
import { type BackupParts, runBackup } from './backup.ts';
import { runCheck } from './check.ts';
import { type RestoreParts, runRestore } from './restore.ts';
import { runRestoreTables } from './restore-tables.ts';
import type { Works } from './work.ts';

/** The kinds of work over whatever engine an order is for. */
export function makeWorks(
  engineFor: (order: Order) => Engine,
  parts: { backup: Omit<BackupParts, 'engine'>; restore: Omit<RestoreParts, 'engine'> },
): Works {
  return {
    check: async (order, job) => runCheck(order, job, engineFor(order)),
    backup: async (order, job) => runBackup(order, job, { ...parts.backup, engine: engineFor(order) }),
    restore: async (order, job) => runRestore(order, job, { ...parts.restore, engine: engineFor(order) }),
    'restore-tables': async (order, job) =>
      runRestoreTables(order, job, { ...parts.restore, engine: engineFor(order) }),
  };
}
