import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreTarget } from '../../../../contract/records/restore-target.ts';
import { mysqlConfig } from './mysql-config.ts';
import { serverConfig } from './server-config.ts';

/** What a restored server of a flavour is started with and reached by; its files are called so in the target. */
export type RestoredServer = {
  program: 'mariadbd' | 'mysqld';
  client: 'mariadb' | 'mysql';
  /** Of its socket, error log and pid file: `mysql.sock`, `mysql.err`, `mysql.pid`. */
  name: 'mariadb' | 'mysql';
  config: (
    target: RestoreTarget,
    manifest: Pick<Manifest, 'server' | 'backupId' | 'clusterId'>,
    serverId: number,
  ) => string;
};

export const restoredServerOf = (flavour: string): RestoredServer =>
  flavour === 'mariadb'
    ? { program: 'mariadbd', client: 'mariadb', name: 'mariadb', config: serverConfig }
    : { program: 'mysqld', client: 'mysql', name: 'mysql', config: mysqlConfig };
