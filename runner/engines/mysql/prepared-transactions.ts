import { xaId } from './binlog/gtid-events.ts';
import type { Session } from './session.ts';

/** The transactions that XA has prepared and nobody has decided on, each as its server takes it in a statement. */
export async function preparedTransactions(session: Session): Promise<string[]> {
  if (session.words.family === 'mariadb') {
    return (await session.rows("XA RECOVER FORMAT='SQL'")).map((row) => row.data ?? '');
  }
  return (await session.rows('XA RECOVER CONVERT XID')).map(({ data, gtrid_length, formatID }) => {
    const bytes = Buffer.from((data ?? '').replace(/^0x/i, ''), 'hex');
    const global = Number(gtrid_length);
    return xaId(bytes.subarray(0, global), bytes.subarray(global), Number(formatID));
  });
}
