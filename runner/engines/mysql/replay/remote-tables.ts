import type { EngineContext } from '../../engine.ts';
import type { Session } from '../session.ts';

/**
 * `database`, `name` of the tables that another server holds. Their rows are not applied: that server is production
 * (M17). Their engines are off, so that they are the tables which cannot be opened; all others were before.
 */
export async function remoteTables(session: Session, context: EngineContext): Promise<[string, string][]> {
  const rows = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name FROM information_schema.TABLES
     WHERE TABLE_TYPE = 'BASE TABLE' AND (ENGINE IS NULL OR ENGINE IN ('FEDERATED', 'CONNECT', 'SPIDER', 'S3'))`,
    [],
    600,
  );
  const tables = rows.map(({ db, name }): [string, string] => [db ?? '', name ?? '']);
  if (tables.length > 0) {
    const named = tables.map((table) => table.join('.')).join(', ');
    context.log('tables of other servers are left out', { tables: named.slice(0, 1000) });
  }
  return tables;
}
