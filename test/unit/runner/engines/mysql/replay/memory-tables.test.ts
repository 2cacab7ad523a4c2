import { describe, expect, it } from 'vitest';
import type { EngineContext } from '../../../../../../runner/engines/engine.ts';
import { applyFailed, replayStalled } from '../../../../../../runner/engines/mysql/replay/failures.ts';
import { withoutLostRows } from '../../../../../../runner/engines/mysql/replay/memory-tables.ts';
import type { Session } from '../../../../../../runner/engines/mysql/session.ts';

describe('a log that changes rows which ended with their server', () => {
  const missing = (table: string, errno = 1032) =>
    applyFailed({ errno, gtid: '0-1-2', table, message: 'no such row' }, '0-1-1');
  /** A server with one MEMORY table, whose applier stops with each of these in turn. */
  const replay = async (...stops: Error[]) => {
    const leftOut: string[] = [];
    const rows = async (_: string, [name]: unknown[] = []) =>
      name === 'shop.seen' ? [{ db: 'shop', name: 'seen' }] : [];
    const attempt = async () => {
      const stop = stops.shift();
      if (stop !== undefined) throw stop;
      return 'ended';
    };
    const context = { log: () => {} } as unknown as EngineContext;
    const leaveOut = async (table: [string, string]) => void leftOut.push(table.join('.'));
    const ended = await withoutLostRows({ rows } as unknown as Session, attempt, leaveOut, context);
    return { ended, leftOut };
  };

  it('is replayed without that table from there on', async () => {
    expect(await replay(missing('shop.seen'))).toEqual({ ended: 'ended', leftOut: ['shop.seen'] });
    expect(await replay()).toEqual({ ended: 'ended', leftOut: [] });
  });

  it.each([
    ['a row of another table is missing', missing('shop.kept')],
    ['something else of it cannot be applied', missing('shop.seen', 1062)],
    ['nothing moves', replayStalled(60, '0-1-1')],
  ])('fails all the same where %s', async (_, error) => {
    await expect(replay(error)).rejects.toBe(error);
  });

  it('fails where leaving the table out did not help', async () => {
    await expect(replay(missing('shop.seen'), missing('shop.seen'))).rejects.toThrow('no such row');
  });
});
