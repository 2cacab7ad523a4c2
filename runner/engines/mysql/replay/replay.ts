import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { AssembledLog } from './assemble.ts';

/** What a replay is given: the log's files in order, where the data stands, and the exact point where it must end. */
export type ReplayRequest = AssembledLog & { from: MysqlPosition; until: MysqlPosition };

/**
 * Workers of an applier on a host of so many processors. Measured with 150,000 transactions of one row on two
 * processors (`npm run bench replay`): handing small transactions to workers costs more than they bring there.
 */
export const replayWorkers = (processors: number): number =>
  processors <= 2 ? 0 : Math.min(processors - 1, 8);
