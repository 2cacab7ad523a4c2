import type { MariadbServer } from '../../../infra/local/mariadb.ts';

export type ShadowWriter = {
  table: string;
  domain: number;
  /** Every so many commits it changes the table's definition, which is a transaction as well; may be changed. */
  alterEvery: number | undefined;
  /** Each commit in order: its sequence number in its domain, the last row it wrote, and when (milliseconds since 1970). */
  commits: { seq: number; n: number; began: number; ended: number }[];
  stop: () => Promise<void>;
};

/**
 * Commits one row after the other into its own table and notes under which GTID: what must be in the table at any
 * position of the log.
 */
export async function startShadowWriter(
  server: MariadbServer,
  { table, domain, alterEvery }: { table: string; domain: number; alterEvery?: number },
): Promise<ShadowWriter> {
  const connection = await server.connect('shop');
  await connection.query(`SET gtid_domain_id = ${domain}`);
  const commits: ShadowWriter['commits'] = [];
  const writer = { table, domain, alterEvery, commits };
  let on = true;
  const note = async (n: number, began: number) => {
    const ended = Date.now();
    const [rows] = await connection.query('SELECT @@last_gtid AS gtid');
    const [{ gtid }] = rows as [{ gtid: string }];
    commits.push({ seq: Number(gtid.split('-')[2]), n, began, ended });
  };
  // Told by stop(): a test that fails meanwhile has its own error.
  const running = (async () => {
    for (let n = 1; on; n++) {
      const began = Date.now();
      await connection.query('START TRANSACTION');
      await connection.query(`INSERT INTO ${table} (n, note) VALUES (${n}, REPEAT('x', ${n % 100}))`);
      await connection.query(`UPDATE ${table} SET note = 'second' WHERE n = ${n - 1}`);
      await connection.query('COMMIT');
      await note(n, began);
      if (writer.alterEvery === undefined || n % writer.alterEvery !== 0) continue;
      await connection.query(`ALTER TABLE ${table} ADD COLUMN more${n} INT DEFAULT ${n}`);
      await note(n, began);
    }
  })();
  running.catch(() => {});
  const stop = async () => {
    on = false;
    await running;
    await connection.end();
  };
  return Object.assign(writer, { stop });
}
