/** Why an applier stopped. `gtid` and `table` are undefined where the server does not say. */
export type ApplierError = {
  errno: number;
  gtid: string | undefined;
  table: string | undefined;
  /** The server's own words, without the statement, whose values are nobody's business here. */
  message: string;
};

/** Follows from another worker's error: a later transaction of the same domain gives up (ER_PRIOR_COMMIT_FAILED). */
const priorCommitFailed = 1964;

/** A server's line without the text of the statement it quotes. */
export const withoutStatement = (line: string): string =>
  line.replace(/Query: '[\s\S]*?'(?=, Gtid |$)|Query: '[\s\S]*$/, "Query: '…'");

export const tableIn = (message: string): string | undefined =>
  /event on table ([^;]+);/.exec(message)?.[1] ??
  /Table '([^']+)' (?:doesn't exist|already exists)/.exec(message)?.[1] ??
  /Column \d+ of table '([^']+)'/.exec(message)?.[1];

/** What a line of MariaDB's error log says about a transaction that could not be applied; undefined for other lines. */
export function applierErrorIn(line: string): ApplierError | undefined {
  const match =
    /\[ERROR\] (?:Master '[^']*': )?Slave SQL: ([\s\S]*?)(?:, Gtid (\d+-\d+-\d+))?, Internal MariaDB error code: (\d+)/.exec(
      line,
    );
  if (match === null) return undefined;
  const message = withoutStatement(match[1]!).slice(0, 1000);
  return { errno: Number(match[3]), gtid: match[2], table: tableIn(match[1]!), message };
}

/**
 * The error that made an applier of several workers stop: the first that is not another's consequence.
 * @param status what the server's status says, where no line told more
 */
export function firstError(
  told: readonly ApplierError[],
  status: { errno: number; message: string },
): ApplierError {
  return (
    told.find(({ errno }) => errno !== priorCommitFailed) ??
    told[0] ?? {
      errno: status.errno,
      gtid: undefined,
      table: tableIn(status.message),
      message: withoutStatement(status.message).slice(0, 1000),
    }
  );
}
