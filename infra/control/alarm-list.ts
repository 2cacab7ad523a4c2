import { metricNames } from '../../functions/env/metric-names.ts';
import type { MachineName, Names } from '../names.ts';
import type { Settings } from '../settings.ts';

/** An alarm on one metric. Its name, without the installation's, is its section of docs/runbook.md. */
export type AlarmFacts = {
  name: string;
  description: string;
  namespace: string;
  metricName: string;
  dimensions: Readonly<Record<string, string>>;
  statistic: 'Sum' | 'Maximum';
  minutes: number;
  periods: number;
  threshold: number;
  /** `below`: fewer than the threshold, and no data at all, are the trouble. */
  comparison: 'reaches' | 'below';
  /** Where no data is itself the trouble. */
  breachingWithoutData: boolean;
};

/** Machines in the order in which dashboard and alarms have them. */
export const watchedMachines: readonly MachineName[] = ['fleet-backup', 'backup', 'restore'];

/**
 * Alarms on the fleet-wide counts of Reconcile. Without data there is nobody who would know: they breach. Their periods
 * are longer than that of `reconcile-silent`, so that where Reconcile stops the alarm that says so comes first and alone.
 */
function ofTheFleet(names: Names): AlarmFacts[] {
  const count = (
    name: string,
    metric: keyof typeof metricNames,
    description: string,
    change: Partial<AlarmFacts> = {},
  ): AlarmFacts => ({
    name,
    description,
    namespace: names.metricNamespace,
    metricName: metricNames[metric],
    dimensions: {},
    statistic: 'Maximum',
    minutes: 15,
    periods: 1,
    threshold: 1,
    comparison: 'reaches',
    breachingWithoutData: true,
    ...change,
  });
  return [
    count(
      'clusters-overdue',
      'clustersOverdue',
      'A cluster has no verified backup for a slot whose window has passed, whatever the reason.',
    ),
    count(
      'clusters-failed',
      'clustersFailed',
      'All attempts for a slot of a cluster failed, and no verified backup has followed.',
    ),
    count(
      'clusters-suspect',
      'clustersSuspect',
      'The newest backup of a cluster is suspect: it does not count until another one agrees with it.',
    ),
    count('jobs-lost', 'jobsLost', 'A host stopped answering for its job.', { statistic: 'Sum' }),
    count(
      'objects-unclaimed',
      'objectsUnclaimed',
      'Objects were stored below a cluster that nobody ordered: forged, or left by a catalog that was lost.',
    ),
    count(
      'archives-lagging',
      'archivesLagging',
      'What a server writes into its log does not become durable: a loss of the server would lose more than the policy allows.',
    ),
    count(
      'archives-broken',
      'archivesBroken',
      'An archive had a gap or a dead branch: nothing behind it can be recovered until a full backup has followed.',
    ),
    count(
      'duties-failed',
      'dutiesFailed',
      'Reconcile cannot do part of its work, pass after pass: what it looks after is not looked after.',
      { periods: 2 },
    ),
    // CloudWatch looks some periods further back than it is told, and one pass there is no silence yet: by periods of five
    // minutes the alarm would come after 20 or 25, by periods of one after 12 or 13.
    count('reconcile-silent', 'passes', 'Reconcile does not report: nobody watches the fleet.', {
      statistic: 'Sum',
      minutes: 1,
      periods: 10,
      comparison: 'below',
    }),
  ];
}

/** Alarms on what AWS counts. Where nothing happens it puts no data. */
function ofServices(names: Names, settings: Settings): AlarmFacts[] {
  const { thresholds } = settings;
  const base = {
    dimensions: {},
    statistic: 'Sum',
    minutes: 5,
    periods: 1,
    threshold: 1,
    comparison: 'reaches',
    breachingWithoutData: false,
  } as const;
  const throttled = { ...base, minutes: 15, threshold: thresholds.throttles };
  return [
    {
      ...base,
      name: 'dead-letters',
      description: 'A schedule, an event or a notification could not be delivered.',
      namespace: 'AWS/SQS',
      metricName: 'ApproximateNumberOfMessagesVisible',
      dimensions: { QueueName: names.deadLetters },
      statistic: 'Maximum',
    },
    {
      ...base,
      name: 'reconcile-failed',
      description: 'Reconcile fails again and again: lost jobs and forgotten locks stay as they are.',
      namespace: 'AWS/Lambda',
      metricName: 'Errors',
      dimensions: { FunctionName: names.function('reconcile') },
      minutes: 10,
      threshold: thresholds.failedReconciles,
      // It runs every two minutes: ten without a run mean that its schedule or its function is gone.
      breachingWithoutData: true,
    },
    // Of transitions and of functions the account has one quota for all: whoever uses it up, ours wait.
    {
      ...throttled,
      name: 'transitions-throttled',
      description:
        'Step Functions holds up state transitions of this account and region: backups start and end late.',
      namespace: 'AWS/States',
      metricName: 'ThrottledEvents',
      dimensions: { ServiceMetric: 'StateTransition' },
    },
    {
      ...throttled,
      name: 'functions-throttled',
      description: 'Lambda refuses invocations of this account and region: its concurrency is used up.',
      namespace: 'AWS/Lambda',
      metricName: 'Throttles',
    },
    {
      ...throttled,
      name: 'catalog-throttled',
      description: 'DynamoDB refuses reads of the catalog: one partition of it is read too often.',
      namespace: 'AWS/DynamoDB',
      metricName: 'ReadThrottleEvents',
      dimensions: { TableName: names.catalogTable },
    },
  ];
}

function ofMachines(names: Names, settings: Settings): AlarmFacts[] {
  return watchedMachines.flatMap((machine) =>
    (['failed', 'timed-out'] as const).map((how) => ({
      name: `${machine}-${how}`,
      description: `An execution of ${names.machine(machine)} ${how === 'failed' ? 'failed' : 'timed out'}; its Fail state names the error.`,
      namespace: 'AWS/States',
      metricName: how === 'failed' ? 'ExecutionsFailed' : 'ExecutionsTimedOut',
      dimensions: { StateMachineArn: names.machineArn(machine) },
      statistic: 'Sum' as const,
      minutes: 5,
      periods: 1,
      threshold: how === 'failed' ? settings.thresholds.failedExecutions : 1,
      comparison: 'reaches' as const,
      breachingWithoutData: false,
    })),
  );
}

/** Every alarm there is, those first that answer whether everything is backed up and verified. */
export const alarmsOf = (names: Names, settings: Settings): AlarmFacts[] => [
  ...ofTheFleet(names),
  ...ofServices(names, settings),
  ...ofMachines(names, settings),
];
