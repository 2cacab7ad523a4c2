import { join } from 'node:path';
import { loadData } from './data.ts';
import type { LocalHosts } from './local-hosts.ts';
import { installServer, type MariadbServer, startServer } from './mariadb.ts';
import type { LocalPaths } from './paths.ts';
import type { ProcessRegistry } from './processes.ts';
import {
  binlogPosition,
  createReplicationAccount,
  follow,
  primaryOptions,
  replicaOptions,
  replicationAccount,
  waitForPosition,
} from './replication.ts';
import { freePort } from './wait.ts';

export type LocalServers = { primary: MariadbServer; replica: MariadbServer };

/** A primary with `bytes` of data and a replica that has caught up, each on its host. `say` gets one line a step. */
export async function startLocalServers(input: {
  paths: LocalPaths;
  registry: ProcessRegistry;
  hosts: LocalHosts;
  bytes: number;
  say: (line: string) => void;
}): Promise<LocalServers> {
  const { paths, registry, hosts, bytes, say } = input;
  const start = async (name: 'primary' | 'replica', serverId: number, options: Record<string, string>) => {
    const plan = {
      name,
      directory: join(hosts[name].root, 'mariadb'),
      socket: join(paths.sockets, `${name}.sock`),
      port: await freePort(),
      serverId,
      options,
      registry,
    };
    installServer(plan);
    return startServer(plan);
  };
  const primary = await start('primary', 101, { ...primaryOptions });
  const replica = await start('replica', 102, { ...replicaOptions });
  say(`MariaDB primary on 127.0.0.1:${primary.port} and its replica on 127.0.0.1:${replica.port}`);
  await createReplicationAccount(primary, replicationAccount);
  await follow(replica, primary, replicationAccount);
  const connection = await primary.connect();
  await loadData(connection, { bytes });
  // An archive begins with the file that is open: what was loaded is in the first backup.
  await connection.query('FLUSH BINARY LOGS');
  await connection.end();
  await waitForPosition(replica, await binlogPosition(primary), 180);
  return { primary, replica };
}
