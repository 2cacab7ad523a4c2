import type { DatabaseServer, ServerPlan } from '../../infra/local/database-server.ts';
import { installServer, startServer } from '../../infra/local/mariadb.ts';
import type { Replay } from '../../runner/engines/mysql/replay/replay.ts';
import { mariadbReplay } from '../../runner/engines/mysql/replay/replay-mariadb.ts';
import { mysqlReplay } from '../../runner/engines/mysql/replay/replay-mysql.ts';
import { installMysql, startMysql } from '../servers/mysql.ts';
import type { OtherServer } from '../servers/unstable.ts';

/** What the bench of the replay needs of a flavour. */
export type ReplayFlavour = {
  flavour: 'mariadb' | 'mysql';
  /** PATH of its programs; undefined where they are the machine's own. */
  path: string | undefined;
  server: 'mariadbd' | 'mysqld';
  decoder: string;
  client: string;
  replays: Replay;
  start: (plan: ServerPlan) => Promise<DatabaseServer>;
  again: (plan: ServerPlan) => Promise<DatabaseServer>;
  /** Begins the log anew. */
  resetLog: string;
  /** `g`: what is in the log. */
  position: string;
  /** Options of the writing server. */
  options: Readonly<Record<string, string>>;
  /** Makes a copy of the base stand at nothing. */
  atNothing: string[];
};

export const mariadbFlavour: ReplayFlavour = {
  flavour: 'mariadb',
  path: undefined,
  server: 'mariadbd',
  decoder: 'mariadb-binlog',
  client: 'mariadb',
  replays: mariadbReplay,
  start: (plan) => {
    installServer(plan);
    return startServer(plan);
  },
  again: startServer,
  resetLog: 'RESET MASTER',
  position: 'SELECT @@gtid_binlog_pos AS g',
  options: { 'innodb-flush-log-at-trx-commit': '0', 'sync-binlog': '0' },
  atNothing: ["SET GLOBAL gtid_slave_pos = ''"],
};

export const mysqlFlavour = ({ path }: OtherServer): ReplayFlavour => ({
  flavour: 'mysql',
  path,
  server: 'mysqld',
  decoder: 'mysqlbinlog',
  client: 'mysql',
  replays: mysqlReplay,
  start: (plan) => {
    installMysql({ ...plan, path });
    return startMysql({ ...plan, path });
  },
  again: (plan) => startMysql({ ...plan, path }),
  resetLog: 'RESET BINARY LOGS AND GTIDS',
  position: 'SELECT @@GLOBAL.gtid_executed AS g',
  options: { 'innodb-flush-log-at-trx-commit': '0', 'sync-binlog': '0' },
  atNothing: [],
});
