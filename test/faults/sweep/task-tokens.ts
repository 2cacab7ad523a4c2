import { StateError } from './machine-walk.ts';

type Told = { output: unknown } | { error: StateError };

/** The tokens of callback tasks, with the heartbeats and timeouts of Step Functions. Limits are seconds. */
export function makeTaskTokens(now: () => Date) {
  const tokens = new Map<string, { state: 'waiting' | 'over' | Told; mintedAt: number; heardAt: number }>();
  const waitingOf = (token: string) => {
    const known = tokens.get(token);
    return known?.state === 'waiting' ? known : undefined;
  };
  return {
    mint: (): string => {
      const token = `token-${tokens.size + 1}`;
      tokens.set(token, { state: 'waiting', mintedAt: now().getTime(), heardAt: now().getTime() });
      return token;
    },
    /** Whether somebody waited for this answer. */
    answer: (token: string, told: Told): boolean => {
      const known = waitingOf(token);
      if (known) known.state = told;
      return known !== undefined;
    },
    heartbeat: (token: string): 'taken' | 'gone' => {
      const known = waitingOf(token);
      if (known) known.heardAt = now().getTime();
      return known ? 'taken' : 'gone';
    },
    /** Nobody waits for it any more. */
    drop: (token: string): void => {
      const known = waitingOf(token);
      if (known) known.state = 'over';
    },
    /** The answer that has come; undefined while there is none. Throws the failure that was told, or the time that is over. */
    toldTo: (
      token: string,
      limits: { heartbeat: number; timeout: number },
    ): { output: unknown } | undefined => {
      const { state, mintedAt, heardAt } = tokens.get(token)!;
      if (typeof state === 'object') {
        if ('error' in state) throw state.error;
        return state;
      }
      const since = (instant: number) => (now().getTime() - instant) / 1000;
      const late =
        since(mintedAt) > limits.timeout
          ? 'States.Timeout'
          : since(heardAt) > limits.heartbeat
            ? 'States.HeartbeatTimeout'
            : undefined;
      if (late === undefined) return undefined;
      tokens.get(token)!.state = 'over';
      throw new StateError(late, 'no answer came');
    },
    /** Tokens for which a task still waits. */
    waiting: (): string[] =>
      [...tokens].flatMap(([token, { state }]) => (state === 'waiting' ? [token] : [])),
  };
}
