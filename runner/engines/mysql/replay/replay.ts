import type { MysqlPosition } from '../../../../contract/positions/position.ts';

/** What a replay is given: archived files in order, where the data stands, and the exact point where it must end. */
export type ReplayRequest = {
  /** Absolute path, and the name the file had on the server that wrote it. */
  files: readonly { path: string; name: string }[];
  from: MysqlPosition;
  until: MysqlPosition;
};

/**
 * Workers of an applier on a host of so many processors. Measured with 150,000 transactions of one row on two
 * processors (`npm run bench replay`): handing small transactions to workers costs more than they bring there.
 */
export const replayWorkers = (processors: number): number =>
  processors <= 2 ? 0 : Math.min(processors - 1, 8);
