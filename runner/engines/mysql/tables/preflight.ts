import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { tablesNotRead } from '../../../../contract/mysql-files/tables-not-read.ts';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import type { EngineContext, PreflightOutcome } from '../../engine.ts';
import { restorePreflight } from '../restore/preflight.ts';
import { inspectTables } from './live-member.ts';

/**
 * Looks at host, directory and member, and refuses before anything is touched. The room that the whole backup needs is
 * not asked for.
 */
export async function tablesPreflight(
  order: RestoreTablesOrder,
  manifest: Manifest,
  context: EngineContext,
): Promise<PreflightOutcome> {
  const { backupId, flavour, plan } = manifest;
  const why = tablesNotRead({ ...plan, flavour });
  if (why !== undefined) {
    return { outcome: 'refused', name: 'Restore.NotYet', cause: `backupId: ${backupId} is ${why}` };
  }
  const some = { ...manifest, restore: { ...manifest.restore, bytes: 0 } };
  const outcome = await restorePreflight(order, some, context);
  if (outcome.outcome === 'refused') return outcome;
  const { refusals } = await inspectTables(order, context);
  const [first] = refusals;
  if (first === undefined) return { outcome: 'ready' };
  return { outcome: 'refused', name: first.name, cause: refusals.map(({ cause }) => cause).join('. ') };
}
