import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { EngineContext } from '../../engine.ts';
import type { Session } from '../session.ts';

/** ER_KEY_NOT_FOUND: a row that the log changes is not there. */
const rowMissing = 1032;

/** The table without whose row an applier stopped; undefined for whatever else stopped it. */
export function withoutRow(error: unknown): string | undefined {
  if (!(error instanceof NamedError) || error.name !== 'Restore.ReplayFailed') return undefined;
  const { errno, table } = error.facts;
  return errno === rowMissing && typeof table === 'string' ? table : undefined;
}

/**
 * Replays until it has ended. Rows of a MEMORY table ended with the backup's server, so that the log may change what is
 * not there: from there on what it has of that table is left out, instead of everything behind it.
 * @param attempt goes on where the applier stands
 * @param leaveOut told `database`, `name` of each such table, while the applier stands
 */
export async function withoutLostRows<T>(
  session: Session,
  attempt: () => Promise<T>,
  leaveOut: (table: [string, string]) => Promise<void>,
  context: EngineContext,
): Promise<T> {
  const left = new Set<string>();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const table = withoutRow(error);
      if (table === undefined || left.has(table)) throw error;
      const [row] = await session.rows(
        `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name FROM information_schema.TABLES
         WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = ? AND ENGINE = 'MEMORY'`,
        [table],
        600,
      );
      if (row === undefined) throw error;
      left.add(table);
      context.log('rows of a MEMORY table ended with its server; what the log has of it is left out', {
        table,
      });
      await leaveOut([row.db ?? '', row.name ?? '']);
    }
  }
}
