import type { RowDataPacket } from 'mysql2/promise';
import type { MariadbServer } from '../../../infra/local/mariadb.ts';

/** Whether a replica applies what its primary does. */
export async function applierRuns(replica: MariadbServer): Promise<boolean> {
  const connection = await replica.connect();
  const [rows] = await connection.query<RowDataPacket[]>('SHOW SLAVE STATUS');
  await connection.end();
  return rows[0]?.Slave_SQL_Running === 'Yes';
}
