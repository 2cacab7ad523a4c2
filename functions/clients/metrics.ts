import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { type MetricCounts, metricNames } from '../env/metric-names.ts';

/** Puts the counts of one pass. */
export type PutMetrics = (counts: MetricCounts, at: Date) => Promise<void>;

/** CloudWatch knows no hours. */
const unitOf = (name: keyof MetricCounts) => (name === 'oldestBackupHours' ? 'None' : 'Count');

/** One call for all counts, however large the fleet is. */
export const makePutMetrics =
  (namespace: string, client = new CloudWatchClient({ maxAttempts: 5 })): PutMetrics =>
  async (counts, at) => {
    await client.send(
      new PutMetricDataCommand({
        Namespace: namespace,
        MetricData: (Object.keys(metricNames) as (keyof MetricCounts)[]).flatMap((name) =>
          counts[name] === undefined
            ? []
            : [{ MetricName: metricNames[name], Value: counts[name], Unit: unitOf(name), Timestamp: at }],
        ),
      }),
    );
  };
