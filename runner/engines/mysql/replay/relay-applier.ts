import type { Row } from '../session.ts';
import { type ApplierError, tableIn, withoutStatement } from './applier-error.ts';

/** Where an applier of relay logs stands. */
export type RelayState = {
  applying: boolean;
  /** It has handed out all that lies there, and no worker is busy. */
  idle: boolean;
  /** The set of what is applied, as the server prints it. */
  gtid: string;
  /** The relay log and the offset up to which everything is applied. */
  file: string;
  offset: number;
  errors: ApplierError[];
  /** Another text each time something has moved. */
  moved: string;
};

/** Counters that rise while one long statement is applied and that reading the status does not raise. */
export const innodbCounters = [
  'Innodb_data_read',
  'Innodb_data_written',
  'Innodb_rows_deleted',
  'Innodb_rows_inserted',
  'Innodb_rows_read',
  'Innodb_rows_updated',
];

/** Follow from another worker's error: ER_MTA_INCONSISTENT_DATA, ER_REPLICA_WORKER_STOPPED_PREVIOUS_THD_ERROR. */
const consequences = new Set([1756, 3030]);

/** The coordinator bears the error of a worker, and its words without what it was about. */
const isConsequence = ({ errno, message }: ApplierError) =>
  consequences.has(errno) || message.startsWith('Coordinator stopped because');

/** What a row of performance_schema says about an error: `number`, `message`, `gtid`. Undefined where there is none. */
export function workerError({ number, message, gtid }: Row): ApplierError | undefined {
  const errno = Number(number ?? 0);
  if (errno === 0) return undefined;
  const said = message ?? '';
  const named = /transaction '([0-9a-f-]{36}:(?:[a-z_]\w*:)?\d+)'/i.exec(said)?.[1];
  return {
    errno,
    gtid: named ?? (/^[0-9a-f-]{36}:/i.test(gtid ?? '') ? (gtid ?? undefined) : undefined),
    table: tableIn(said),
    message: withoutStatement(said).slice(0, 1000),
  };
}

/** The error that made the applier stop: the earliest that is not another's consequence. */
export const firstWorkerError = (errors: readonly ApplierError[]): ApplierError | undefined =>
  errors.find((error) => !isConsequence(error)) ?? errors[0];

/**
 * @param status a row of SHOW REPLICA STATUS
 * @param threads coordinator and workers in performance_schema, the earliest error first: `number`, `message`, `gtid`, `busy`
 * @param counters values of `innodbCounters` in any order, as one text
 */
export function relayState(status: Row, threads: readonly Row[], counters: string): RelayState {
  const gtid = (status.Executed_Gtid_Set ?? '').replace(/\s/g, '');
  const file = status.Relay_Log_File ?? '';
  const offset = Number(status.Relay_Log_Pos ?? 0);
  const errors = threads.map(workerError).filter((error) => error !== undefined);
  const last = workerError({ number: status.Last_SQL_Errno ?? '0', message: status.Last_SQL_Error ?? '' });
  if (errors.length === 0 && last !== undefined) errors.push(last);
  return {
    applying: status.Replica_SQL_Running === 'Yes',
    idle:
      /has read all relay log/i.test(status.Replica_SQL_Running_State ?? '') &&
      threads.every(({ busy }) => (busy ?? '') === ''),
    gtid,
    file,
    offset,
    errors,
    moved: [gtid, file, offset, counters].join(' '),
  };
}

export type RelayVerdict = 'working' | 'arrived' | 'missed' | 'apply-failed' | 'ended' | 'stalled';

/** A worker takes what it was handed within milliseconds; between two looks it may seem to have nothing to do. */
const restSeconds = 3;

/**
 * What the state means.
 * @param there whether the data stands where it must end
 * @param stillSeconds for how long nothing has moved
 */
export function judgeRelay(
  state: RelayState,
  there: boolean,
  stillSeconds: number,
  stallSeconds: number,
): RelayVerdict {
  if (state.errors.length > 0) return 'apply-failed';
  if (there && (state.idle || !state.applying)) return 'arrived';
  if (!state.applying) return 'ended';
  if (state.idle && stillSeconds >= restSeconds) return 'missed';
  return stillSeconds >= stallSeconds ? 'stalled' : 'working';
}
