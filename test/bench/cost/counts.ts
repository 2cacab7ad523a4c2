/** What one backup asked of the cloud. Durations are those of the machine it was counted on. */
export type Counts = {
  /** State transitions of the Backup execution, and what its cluster costs the run of the schedule that starts it. */
  transitions: { backup: number; fleet: number };
  /** Invocations by function. */
  invocations: Record<string, number>;
  lambdaGBSeconds: number;
  /** Requests by `service:Action`, as the emulator's log names them, of control plane and host together. */
  requests: Record<string, number>;
  /** Items in transactions; each is billed twice. */
  transactedItems: number;
  /** Puts of volumes, which grow with the database; the other puts do not. */
  volumePuts: number;
};

/** One line of the emulator's log of API calls (CloudTrail's form). */
export type ApiCall = {
  eventSource: string;
  eventName: string;
  userAgent: string;
  requestParameters: { TransactItems?: unknown[] } | null;
  resources: readonly { ResourceName?: string }[];
};

/** One call of a function, as it reported it at its end. */
export type Invocation = { name: string; gbSeconds: number };

const serviceOf = (call: ApiCall) => call.eventSource.replace(/\.amazonaws\.com$/, '');

/** Events of an execution's history that Step Functions bills: each state that was entered. */
export const transitionsOf = (types: readonly string[]): number =>
  types.filter((type) => type.endsWith('StateEntered')).length;

/** Adds up calls of functions. */
export function countInvocations(
  calls: readonly Invocation[],
): Pick<Counts, 'invocations' | 'lambdaGBSeconds'> {
  const invocations: Record<string, number> = {};
  for (const { name } of calls) invocations[name] = (invocations[name] ?? 0) + 1;
  const gbSeconds = calls.reduce((sum, call) => sum + call.gbSeconds, 0);
  return { invocations, lambdaGBSeconds: Number(gbSeconds.toFixed(2)) };
}

/** Adds up what was logged while one backup was taken. */
export function countCalls(
  calls: readonly ApiCall[],
): Pick<Counts, 'requests' | 'transactedItems' | 'volumePuts'> {
  const requests: Record<string, number> = {};
  let transactedItems = 0;
  let volumePuts = 0;
  for (const call of calls) {
    const name = `${serviceOf(call)}:${call.eventName}`;
    requests[name] = (requests[name] ?? 0) + 1;
    transactedItems += call.requestParameters?.TransactItems?.length ?? 0;
    const isVolume = call.resources.some(({ ResourceName }) => /\/volumes\//.test(ResourceName ?? ''));
    if (call.eventName === 'PutObject' && isVolume) volumePuts += 1;
  }
  const sorted = Object.entries(requests).sort(([a], [b]) => (a < b ? -1 : 1));
  return { requests: Object.fromEntries(sorted), transactedItems, volumePuts };
}

/** Beats, heartbeats and waits follow the clock, so a number of requests may differ by this much without a change of the code. */
const tolerance = (count: number) => Math.max(2, count * 0.25);

/** What is counted now and was not then, or the other way round; empty while the recorded counts hold. */
export function driftedFrom(recorded: Counts, now: Counts): string[] {
  const compare = (name: string, was: number, is: number, by: number) =>
    Math.abs(was - is) <= by ? [] : [`${name}: ${was} then, ${is} now`];
  const compareAll = (
    then: Record<string, number>,
    today: Record<string, number>,
    by: (was: number) => number,
  ) =>
    [...new Set([...Object.keys(then), ...Object.keys(today)])].sort().flatMap((name) => {
      const [was, is] = [then[name] ?? 0, today[name] ?? 0];
      return compare(name, was, is, was === 0 || is === 0 ? 0 : by(was));
    });
  return [
    ...compare('transitions of Backup', recorded.transitions.backup, now.transitions.backup, 0),
    ...compare('transitions of Fleet backup', recorded.transitions.fleet, now.transitions.fleet, 0),
    ...compareAll(recorded.invocations, now.invocations, () => 0),
    ...compareAll(recorded.requests, now.requests, tolerance),
  ];
}
