import type { MariadbServer } from '../../../infra/local/mariadb.ts';

export type ShadowWriter = {
  table: string;
  domain: number;
  /** Every so many commits it changes the table's definition, which is a transaction as well; may be changed. */
  alterEvery: number | undefined;
  /** Each commit in order: its sequence number in its domain, or of its server in MySQL, the last row it wrote, and when (milliseconds since 1970). */
  commits: { seq: number; n: number; began: number; ended: number }[];
  stop: () => Promise<void>;
};

/**
 * Commits one row after the other into its own table and notes under which GTID: what must be in the table at any
 * position of the log. `before`: a statement of its session before the first.
 */
export async function startShadowWriter(
  server: MariadbServer,
  options: {
    table: string;
    domain: number;
    alterEvery?: number;
    flavour?: 'mariadb' | 'mysql';
    before?: string;
  },
): Promise<ShadowWriter> {
  const { table, domain, alterEvery, flavour = 'mariadb', before } = options;
  const connection = await server.connect('shop');
  await connection.query(
    flavour === 'mariadb' ? `SET gtid_domain_id = ${domain}` : 'SET SESSION session_track_gtids = OWN_GTID',
  );
  if (before !== undefined) await connection.query(before);
  const commits: ShadowWriter['commits'] = [];
  const writer = { table, domain, alterEvery, commits };
  let on = true;
  const note = async (n: number, began: number, [answer]: [unknown, unknown]) => {
    const ended = Date.now();
    if (flavour === 'mysql') {
      const { stateChanges } = answer as { stateChanges: { gtids: string[] } };
      commits.push({ seq: Number(stateChanges.gtids[0]?.split(':').at(-1)), n, began, ended });
      return;
    }
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
      await note(n, began, await connection.query('COMMIT'));
      if (writer.alterEvery === undefined || n % writer.alterEvery !== 0) continue;
      const alter = `ALTER TABLE ${table} ADD COLUMN more${n} INT DEFAULT ${n}`;
      await note(n, began, await connection.query(alter));
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
