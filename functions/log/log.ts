/** Facts of a line: ids and numbers, never secrets. */
export type LogFacts = Readonly<Record<string, unknown>>;

export type Log = {
  info(message: string, facts?: LogFacts): void;
  error(message: string, facts?: LogFacts): void;
};

/** One JSON object per line, with the names that every search begins with (function, execution, clusterId, jobId). */
export function makeLog(base: LogFacts, write: (line: string) => void = (line) => console.log(line)): Log {
  const line =
    (level: string) =>
    (message: string, facts: LogFacts = {}) =>
      write(JSON.stringify({ time: new Date().toISOString(), level, ...base, message, ...facts }));
  return { info: line('info'), error: line('error') };
}

/** A log that keeps nothing, for callers that do not look. */
export const silent: Log = { info: () => undefined, error: () => undefined };
