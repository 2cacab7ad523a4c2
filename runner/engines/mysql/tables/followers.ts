import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../session.ts';

/** Milliseconds between two looks, and how long one who is behind is waited for. */
const lookMs = 20;
const waitMs = 30_000;

/**
 * Answers a wait for the replicas that read this server's log: until each has been sent all of it once since, so that
 * what is written here does not pile up before them. One that was waited for in vain holds nothing up again. What a
 * replica has received and not applied yet is not seen from here.
 */
export function makeFollowers(signal: AbortSignal): (session: Session) => Promise<void> {
  const givenUp = new Set<string>();
  return async (session) => {
    const until = performance.now() + waitMs;
    let behind: string[] | undefined;
    for (;;) {
      const rows = await session.rows(
        `SELECT ID AS id, STATE LIKE '%has sent all binlog%' AS sent
         FROM ${session.words.family === 'mysql' ? 'performance_schema.processlist' : 'information_schema.PROCESSLIST'}
         WHERE COMMAND LIKE 'Binlog Dump%'`,
      );
      const sending = rows
        .filter((row) => row.sent !== '1')
        .map((row) => row.id ?? '')
        .filter((id) => !givenUp.has(id));
      behind = behind === undefined ? sending : sending.filter((id) => behind?.includes(id));
      if (behind.length === 0) return;
      if (performance.now() > until) {
        for (const id of behind) givenUp.add(id);
        return;
      }
      await sleep(lookMs, undefined, { signal });
    }
  };
}
