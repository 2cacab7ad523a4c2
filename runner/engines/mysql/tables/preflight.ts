import type { Manifest } from '../../../../contract/formats/manifest.ts';
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
  if (manifest.flavour !== 'mariadb') {
    return {
      outcome: 'refused',
      name: 'Restore.NotYet',
      cause: `backupId: ${manifest.backupId} is of ${manifest.flavour}; single tables are restored of backups of MariaDB`,
    };
  }
  const some = { ...manifest, restore: { ...manifest.restore, bytes: 0 } };
  const outcome = await restorePreflight(order, some, context);
  if (outcome.outcome === 'refused') return outcome;
  const { refusals } = await inspectTables(order, context);
  const [first] = refusals;
  if (first === undefined) return { outcome: 'ready' };
  return { outcome: 'refused', name: first.name, cause: refusals.map(({ cause }) => cause).join('. ') };
}
