/** How one call to the outside goes wrong. */
export const kinds = [
  'fails',
  'fails, and so do the next two invocations of its function',
  'hangs until the function times out',
  'is done and its answer lost',
  'is done, its answer lost, and done again by the client',
  'is done, then the function dies and is called again',
] as const;
export type Kind = (typeof kinds)[number];

/** What goes wrong: the outside call of this number, or what the invocation of this number answers. */
export type Strike = { at: number; kind: Kind } | { invocation: number };

/** Wraps one call; `what` says which. */
export type Outside = <T>(what: string, call: () => Promise<T>) => Promise<T>;

/** What one invocation of a function does outside, and how it may end before its time. */
export type Invocation = {
  outside: Outside;
  /** Rejects with the name of the error when the function is killed. */
  killed: Promise<never>;
  /** The function is done: throws where nobody hears its answer. */
  answered: () => void;
};

const unavailable = (what: string) =>
  Object.assign(new Error(`${what} is not available`), { name: 'ServiceUnavailable' });

const never = () => new Promise<never>(() => undefined);

const lostAnswer = (what: string) =>
  Object.assign(new Error(`no answer came to ${what}`), { name: 'TimeoutError' });

/**
 * Counts the outside calls of functions, one after another over all invocations, and lets the k-th go wrong. What a
 * killed invocation still begins never happens.
 */
export function countOutsideCalls(strike?: Strike, hit: () => void = () => undefined) {
  const calls: string[] = [];
  const invocations: { name: string; first: number }[] = [];
  let struck = false;
  let outage: { name: string; invocations: number } | undefined;
  const strikes = () => {
    struck = true;
    hit();
  };
  return {
    calls,
    /** Names of the functions in the order of their calls, and the number of the first call to the outside of each. */
    invocations,
    struck: () => struck,
    /** What was out is back. */
    back: () => {
      outage = undefined;
    },
    invocation: (name: string): Invocation => {
      const number = invocations.push({ name, first: calls.length + 1 });
      const { promise: killed, reject } = Promise.withResolvers<never>();
      killed.catch(() => undefined);
      let dead = false;
      const isOut = outage?.name === name && outage.invocations-- > 0;
      const kill = (error: string) => {
        dead = true;
        reject(Object.assign(new Error(`${name} ended before its time`), { name: error }));
        return never();
      };
      const outside: Outside = async (what, call) => {
        if (dead) return never();
        calls.push(`${name}: ${what}`);
        if (isOut) throw unavailable(what);
        if (strike === undefined || !('at' in strike) || calls.length !== strike.at) {
          const answer = await call();
          return dead ? never() : answer;
        }
        strikes();
        switch (strike.kind) {
          case 'fails':
            throw unavailable(what);
          case 'fails, and so do the next two invocations of its function':
            outage = { name, invocations: 2 };
            throw unavailable(what);
          case 'hangs until the function times out':
            return kill('Sandbox.Timedout');
          case 'is done and its answer lost':
            await call();
            throw lostAnswer(what);
          case 'is done, its answer lost, and done again by the client':
            await call();
            return call();
          case 'is done, then the function dies and is called again':
            await call();
            return kill('Lambda.ServiceException');
        }
      };
      const answered = () => {
        if (strike === undefined || !('invocation' in strike) || number !== strike.invocation) return;
        strikes();
        throw Object.assign(new Error(`nobody heard what ${name} answered`), {
          name: 'Lambda.SdkClientException',
        });
      };
      return { outside, killed, answered };
    },
  };
}

export type OutsideCalls = ReturnType<typeof countOutsideCalls>;

/**
 * The calls that are worth a strike: all but those of a pass of Reconcile that asks exactly what the pass before it
 * asked, for then it stands where that one stood.
 */
export function worthStriking({ calls, invocations }: OutsideCalls, from: number, to: number): number[] {
  const asked = (i: number) =>
    calls.slice(invocations[i]!.first - 1, (invocations[i + 1]?.first ?? calls.length + 1) - 1);
  const repeated = new Set<number>();
  let before = '';
  for (const [i, { name, first }] of invocations.entries()) {
    if (name !== 'reconcile') {
      before = '';
      continue;
    }
    const its = asked(i);
    if (its.join() === before) for (const at of its.keys()) repeated.add(first + at);
    before = its.join();
  }
  return Array.from({ length: to - from }, (_, i) => from + i + 1).filter((at) => !repeated.has(at));
}
