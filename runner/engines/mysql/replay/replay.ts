import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { Account } from '../../../host/accounts.ts';
import type { EngineContext, ReplayOutcome } from '../../engine.ts';
import type { Session } from '../session.ts';
import type { ApplierError } from './applier-error.ts';
import type { AssembledLog } from './assemble.ts';
import type { ReplayPlace } from './place.ts';

/** What a replay is given: the log's files in order, where the data stands, and the exact point where it must end. */
export type ReplayRequest = AssembledLog & { from: MysqlPosition; until: MysqlPosition };

/** The restored server on which a log is replayed. It runs with its accounts and with the replay's options. */
export type ReplayTarget = {
  session: Session;
  serverId: number;
  /** What the server's error log has said of its applier so far; grows meanwhile. */
  errors: readonly ApplierError[];
  user: string;
  account: Account;
  place: ReplayPlace;
  workers: number;
  stallSeconds: number;
};

/** How a flavour replays. */
export type Replay = {
  /** Options of the restored server while it replays. */
  options: (place: Pick<ReplayPlace, 'relay'>, memoryMiB: number, workers: number) => string[];
  /** Statements by which the server gives itself the account under which it is worked on. */
  account: (name: string, password: string) => string[];
  /** Workers of the applier on a host of so many processors. */
  workers: (processors: number) => number;
  /** Where the n-th archived file lies, counted from 1. */
  fileAt: (place: ReplayPlace, n: number, name: string, until: MysqlPosition) => string;
  /** Brings the server to the point, and leaves no channel behind. */
  run: (request: ReplayRequest, target: ReplayTarget, context: EngineContext) => Promise<ReplayOutcome>;
};

/**
 * Options by which a server of either flavour replays: nothing is durable, since an interrupted replay is thrown away;
 * its clean shutdown writes everything out.
 */
export const optionsOfBoth = ({ relay }: Pick<ReplayPlace, 'relay'>, memoryMiB: number): string[] => [
  '--innodb-flush-log-at-trx-commit=0',
  // Whoever wrote a definition may have had it off; what he was refused is in no log.
  '--innodb-strict-mode=OFF',
  '--skip-innodb-doublewrite',
  `--innodb-buffer-pool-size=${Math.max(128, memoryMiB - 128)}M`,
  '--sync-binlog=0',
  '--sync-relay-log=0',
  `--relay-log=${relay}/relay`,
  `--relay-log-index=${relay}/relay.index`,
];
