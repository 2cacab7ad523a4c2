import { dashboardLink, machineLink } from '../../functions/env/console-links.ts';
import { metricNames } from '../../functions/env/metric-names.ts';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import { alarmsOf, watchedMachines } from './alarm-list.ts';

type Statistic = 'Maximum' | 'Minimum' | 'Sum' | 'p50' | 'p95';
/** One line or number: namespace, metric, names and values of dimensions, and how it is shown. */
type Line = (string | { label: string; stat: Statistic })[];
type Widget = {
  type: 'metric' | 'alarm' | 'text';
  x: number;
  y: number;
  width: number;
  height: number;
  properties: Record<string, unknown>;
};

/** Numbers older than this are no answer: where nobody counts, the dashboard shows that it does not know. */
const answerWithin = '-PT15M';

/**
 * The dashboard. Its first row answers "is everything backed up and verified?": yes, where as many clusters are covered
 * as are watched, nothing else is above zero, and every alarm beside is green. Then how it came to that, then what each
 * machine and the services below it do.
 */
export function dashboardBody(names: Names, settings: Settings): { widgets: Widget[] } {
  const { region } = settings.control;
  const own = (metric: keyof typeof metricNames, label: string, stat: Statistic = 'Maximum'): Line => [
    names.metricNamespace,
    metricNames[metric],
    { label, stat },
  ];
  const of = (
    namespace: string,
    metric: string,
    dimensions: string[],
    label: string,
    stat: Statistic = 'Sum',
  ): Line => [namespace, metric, ...dimensions, { label, stat }];
  const place = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });
  const lines = (title: string, at: ReturnType<typeof place>, metrics: Line[]): Widget => ({
    type: 'metric',
    ...at,
    properties: { title, region, view: 'timeSeries', period: 300, yAxis: { left: { min: 0 } }, metrics },
  });
  const machine = (name: (typeof watchedMachines)[number], label: string, x: number): Widget => {
    const executions = (metric: string, word: string) =>
      of('AWS/States', metric, ['StateMachineArn', names.machineArn(name)], word);
    return lines(label, place(x, 11, 8, 6), [
      executions('ExecutionsStarted', 'started'),
      executions('ExecutionsSucceeded', 'succeeded'),
      executions('ExecutionsFailed', 'failed'),
      executions('ExecutionsTimedOut', 'timed out'),
      executions('ExecutionsAborted', 'stopped by hand'),
    ]);
  };
  const took = (stat: Statistic) =>
    of('AWS/States', 'ExecutionTime', ['StateMachineArn', names.machineArn('backup')], stat, stat);
  const links = [
    '**What to do** is in `docs/runbook.md`, by the name of the alarm.',
    ...watchedMachines.map((name) => `[${names.machine(name)}](${machineLink(names.machineArn(name))})`),
    `[this dashboard](${dashboardLink(names.machineArn('backup'), names.dashboard)})`,
  ];
  return {
    widgets: [
      {
        type: 'metric',
        ...place(0, 0, 16, 5),
        properties: {
          title: 'Is everything backed up and verified? Clusters, of the last 15 minutes',
          region,
          view: 'singleValue',
          period: 300,
          start: answerWithin,
          metrics: [
            own('clustersWatched', 'watched'),
            own('clustersCovered', 'covered', 'Minimum'),
            own('clustersWaiting', 'waiting'),
            own('clustersOverdue', 'overdue'),
            own('clustersFailed', 'failed'),
            own('clustersSuspect', 'suspect'),
            own('objectsUnclaimed', 'unclaimed objects'),
            own('oldestBackupHours', 'oldest good backup, hours'),
          ],
        },
      },
      {
        type: 'alarm',
        ...place(16, 0, 8, 5),
        properties: {
          title: 'Alarms',
          alarms: alarmsOf(names, settings).map(({ name }) => names.alarmArn(name)),
        },
      },
      lines('Clusters', place(0, 5, 10, 6), [
        own('clustersWatched', 'watched'),
        own('clustersCovered', 'covered', 'Minimum'),
        own('clustersWaiting', 'waiting'),
        own('clustersOverdue', 'overdue'),
        own('clustersPaused', 'paused'),
      ]),
      lines('Trouble', place(10, 5, 7, 6), [
        own('clustersFailed', 'failed'),
        own('clustersSuspect', 'suspect'),
        own('clustersLost', 'lost'),
        own('objectsUnclaimed', 'unclaimed objects'),
        own('dutiesFailed', 'duties of Reconcile failed'),
      ]),
      lines('Hours since the oldest of the newest good backups', place(17, 5, 7, 6), [
        own('oldestBackupHours', 'hours'),
      ]),
      machine('fleet-backup', 'Fleet backup', 0),
      machine('backup', 'Backup', 8),
      machine('restore', 'Restore', 16),
      lines('A backup takes, milliseconds', place(0, 17, 8, 6), [took('p50'), took('p95')]),
      lines('Reconcile', place(8, 17, 8, 6), [
        own('passes', 'passes', 'Sum'),
        own('liveJobs', 'live jobs'),
        own('heldLocks', 'held locks'),
        own('jobsLost', 'jobs lost', 'Sum'),
        own('attemptsStarted', 'attempts started', 'Sum'),
        own('backupsAdopted', 'backups adopted', 'Sum'),
        own('straysTombstoned', 'strays marked', 'Sum'),
      ]),
      lines('Held up', place(16, 17, 8, 6), [
        of('AWS/States', 'ThrottledEvents', ['ServiceMetric', 'StateTransition'], 'transitions'),
        of('AWS/Lambda', 'Throttles', [], 'functions'),
        of('AWS/DynamoDB', 'ReadThrottleEvents', ['TableName', names.catalogTable], 'catalog, reads'),
        of('AWS/DynamoDB', 'WriteThrottleEvents', ['TableName', names.catalogTable], 'catalog, writes'),
        of('AWS/DynamoDB', 'ReadThrottleEvents', ['TableName', names.jobsTable], 'jobs, reads'),
        of('AWS/DynamoDB', 'WriteThrottleEvents', ['TableName', names.jobsTable], 'jobs, writes'),
        of(
          'AWS/SQS',
          'ApproximateNumberOfMessagesVisible',
          ['QueueName', names.deadLetters],
          'undelivered',
          'Maximum',
        ),
      ]),
      { type: 'text', ...place(0, 23, 24, 2), properties: { markdown: links.join(' · ') } },
    ],
  };
}
