import { afterAll, beforeAll, describe, expect, vi } from 'vitest';
import { limited } from '../../../functions/clients/limited.ts';
import { faultTest } from '../fault-test.ts';
import { countOutsideCalls } from './outside-calls.ts';
import {
  type CountedRequests,
  countRequests,
  type OverHttp,
  overHttp,
  requestKinds,
} from './runner-over-http.ts';
import { backup, type Part, restore, type Story } from './stories.ts';

// Thousands of functions log here what nobody reads.
beforeAll(() => void vi.spyOn(console, 'log').mockImplementation(() => undefined));
afterAll(() => void vi.restoreAllMocks());

/** Tells a story in which the runners of the counted part reach the outside over HTTP, and later ones at once. */
async function tell(story: Story, requests: CountedRequests) {
  let part: Part = 'before';
  let http: OverHttp | undefined;
  try {
    return await story(countOutsideCalls(), {
      onPart: (now) => {
        part = now;
      },
      runnerOutside: async (host, world) => {
        if (part !== 'counted') return world.inMemory(host);
        http ??= await overHttp(world, requests);
        return http.outsideOf(host);
      },
    });
  } finally {
    await http?.stop();
  }
}

async function sweep(story: Story, hit: () => void): Promise<{ runs: number; wrongs: string[] }> {
  const happy = countRequests(undefined, () => undefined);
  const { wrongs } = await tell(story, happy);
  const strikes = requestKinds.flatMap((kind) => happy.seen.map((_, i) => ({ at: i + 1, kind })));
  await limited(strikes, 8, async (strike) => {
    const what = `request ${strike.at}, ${happy.seen[strike.at - 1]}, ${strike.kind}`;
    const requests = countRequests(strike, hit);
    const told = await tell(story, requests);
    if (!requests.struck()) wrongs.push(`${what}: was not reached`);
    for (const wrong of told.wrongs) wrongs.push(`${what}: ${wrong}`);
  });
  return { runs: strikes.length, wrongs };
}

/**
 * Every request that the runners of a backup and of a restore send, one run each, over HTTP through a proxy: it is
 * refused, never answered, done and its answer lost, refused with the four after it, or the last that ever leaves the
 * host. The end state is that of the sweep over control's calls.
 */
describe('whatever request of a runner goes wrong', () => {
  faultTest(['k-th request'], 'a backup is recorded once and nothing is left', async (faults) => {
    const { runs, wrongs } = await sweep(backup('well'), () => faults.hit('k-th request'));
    await faults.endState(() => {
      expect(wrongs).toEqual([]);
      expect(runs).toBeGreaterThan(100);
    });
  });

  faultTest(['k-th request'], 'a restore ends by name or well, and the next one is done', async (faults) => {
    const { runs, wrongs } = await sweep(restore, () => faults.hit('k-th request'));
    await faults.endState(() => {
      expect(wrongs).toEqual([]);
      expect(runs).toBeGreaterThan(60);
    });
  });
});
