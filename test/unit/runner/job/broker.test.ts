import { describe, expect, it } from 'vitest';
import type { BrokerAnswer, BrokerRequest } from '../../../../contract/records/broker.ts';
import { makeBrokerCredentials } from '../../../../runner/job/broker.ts';

/** A broker that gives numbered credentials for an hour of a clock that the test sets. */
function makeBroker() {
  const asked: BrokerRequest[] = [];
  const hidden: string[] = [];
  const state = { now: Date.parse('2026-11-23T02:00:00.000Z'), refuse: false, broken: 0 };
  const ask = async (request: BrokerRequest): Promise<BrokerAnswer> => {
    asked.push(request);
    await Promise.resolve();
    if (state.broken-- > 0) throw new Error('the broker broke: the table was away');
    if (state.refuse)
      return { outcome: 'refused', error: { name: 'Broker.Refused', cause: 'the job has ended' } };
    return {
      outcome: 'granted',
      accessKeyId: `key-${asked.length}`,
      secretAccessKey: `secret-${asked.length}`,
      sessionToken: `token-${asked.length}`,
      expiration: new Date(state.now + 3_600_000).toISOString(),
    };
  };
  const credentials = makeBrokerCredentials({
    ask,
    hostId: 'mi-0abc',
    jobId: 'j-1',
    secret: 's'.repeat(43),
    now: () => new Date(state.now),
    hide: (secret) => hidden.push(secret),
    budgetMs: 3000,
  });
  return { asked, hidden, state, credentials };
}

describe('F29 the reading rights of a restore', () => {
  it('are asked for once by all who need them together, with the secret of the claim', async () => {
    const { asked, credentials } = makeBroker();
    const both = await Promise.all([credentials(), credentials()]);
    expect(both[0]).toBe(both[1]);
    expect(asked).toEqual([{ v: 1, hostId: 'mi-0abc', jobId: 'j-1', secret: 's'.repeat(43) }]);
  });

  it('are renewed before they end, not after', async () => {
    const { state, credentials } = makeBroker();
    expect((await credentials()).accessKeyId).toBe('key-1');
    state.now += 45 * 60_000;
    expect((await credentials()).accessKeyId).toBe('key-1');
    state.now += 6 * 60_000;
    expect((await credentials()).accessKeyId).toBe('key-2');
  });

  it('are renewed when the store says that they ended', async () => {
    const { credentials } = makeBroker();
    await credentials();
    expect((await credentials({ forceRefresh: true })).accessKeyId).toBe('key-2');
    expect((await credentials()).accessKeyId).toBe('key-2');
  });

  it('are refused by name', async () => {
    const { state, credentials } = makeBroker();
    state.refuse = true;
    await expect(credentials()).rejects.toMatchObject({ name: 'Broker.Refused' });
    state.refuse = false;
    expect((await credentials()).accessKeyId).toBe('key-2');
  });

  it('are asked for again where the broker broke, and for so long only', async () => {
    const { asked, state, credentials } = makeBroker();
    state.broken = 1;
    expect((await credentials()).accessKeyId).toBe('key-2');
    state.broken = Number.POSITIVE_INFINITY;
    await expect(credentials({ forceRefresh: true })).rejects.toThrow('the table was away');
    expect(asked.length).toBeGreaterThan(3);
  });

  it('are hidden from the log before anyone has them', async () => {
    const { hidden, credentials } = makeBroker();
    await credentials();
    expect(hidden).toEqual(['secret-1', 'token-1']);
  });
});
