import type { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { describe, expect, it } from 'vitest';
import { makePutMetrics } from '../../../../functions/clients/metrics.ts';
import { countsOf } from '../../../../functions/reconcile/metrics.ts';

describe('the counts that go to CloudWatch', () => {
  it('are one call, without what could not be taken and without dimensions', async () => {
    const sent: PutMetricDataCommand['input'][] = [];
    const client = {
      send: async ({ input }: PutMetricDataCommand) => void sent.push(input),
    } as unknown as CloudWatchClient;
    const none = undefined;
    const counts = countsOf({
      clusters: 3,
      lostJobs: none,
      closedExecutions: { held: 1, freed: 0, failed: 0 },
      unrecorded: none,
      retries: none,
      strays: none,
      foreign: none,
      coverage: none,
      logs: none,
    });
    const at = new Date('2026-11-23T01:10:00.000Z');
    await makePutMetrics('holdfast', client)(counts, at);
    expect(sent).toHaveLength(1);
    const count = (MetricName: string, Value: number) => ({
      MetricName,
      Value,
      Unit: 'Count',
      Timestamp: at,
    });
    expect(sent[0]).toEqual({
      Namespace: 'holdfast',
      MetricData: [
        count('Passes', 1),
        count('Clusters', 3),
        count('HeldLocks', 1),
        count('HoldersFreed', 0),
        count('DutiesFailed', 7),
      ],
    });
  });
});
