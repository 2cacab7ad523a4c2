import { Duration } from 'aws-cdk-lib';
import type { Function as Lambda } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { cancelClosedEnv } from '../../functions/env/cancel-closed.ts';
import { dueEnv } from '../../functions/env/due.ts';
import { rebuildEnv } from '../../functions/env/rebuild.ts';
import { reconcileEnv } from '../../functions/env/reconcile.ts';
import { registerEnv } from '../../functions/env/register.ts';
import { retentionEnv } from '../../functions/env/retention.ts';
import { ControlFunction } from './control-function.ts';
import type { Parts } from './parts.ts';
import { publishTo, sendTo } from './rights.ts';

/** What looks at the whole fleet: what is due, who is registered, what was left behind. */
export class FleetFunctions extends Construct {
  readonly cancelClosed: Lambda;

  constructor(scope: Construct, id: string, parts: Parts & { topic: Topic; deadLetters: IQueue }) {
    super(scope, id);
    const { rights, topic, deadLetters } = parts;
    new ControlFunction(this, 'Due', {
      ...parts,
      folder: 'fleet',
      name: 'due',
      description: 'Finds the clusters that a policy has to back up now',
      env: dueEnv,
      statements: [
        rights.catalog('GetItem', 'Query', 'PutItem'),
        rights.policies(),
        ...rights.putScratch('due/*'),
      ],
    });
    new ControlFunction(this, 'Register', {
      ...parts,
      folder: 'fleet',
      name: 'register',
      description: 'Registers a cluster or a host from one document, after a check on the host',
      env: registerEnv,
      statements: [
        rights.catalog('GetItem', 'Query', 'PutItem'),
        rights.jobs('GetItem', 'PutItem', 'UpdateItem'),
        rights.policies(),
        rights.assumeDispatch(),
        ...rights.writeSites('registry/*'),
      ],
      // 90 s of waiting for checks, the calls around them, and retries of SSM.
      seconds: 150,
    });
    const reconcile = new ControlFunction(this, 'Reconcile', {
      ...parts,
      folder: 'reconcile',
      name: 'reconcile',
      description:
        'Ends lost jobs, frees what closed executions held, adopts manifests, records archived logs, starts retries, marks strays, tells of breaches',
      env: reconcileEnv,
      statements: [
        rights.catalog('GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem'),
        rights.jobs('GetItem', 'PutItem', 'UpdateItem'),
        rights.policies(),
        ...rights.readSites('*/backups/*', '*/logs/*'),
        // Of archives only; those of backups are written where they are verified.
        ...rights.writeSites('receipts/*/logs/*'),
        rights.listVersions(),
        rights.answerTasks(),
        rights.describeExecutions(),
        rights.listBackups(),
        rights.startBackup(),
        rights.putMetrics(),
        ...publishTo(topic),
      ],
      // Below the two minutes after which the next run begins.
      seconds: 110,
      // A whole processor. A pass over 5,000 clusters with a year of nightly backups reads 780,000 records of them, about
      // 20 s of it; the third of one that 512 MiB have would not come to an end in time.
      memoryMiB: 1769,
    }).fn;
    this.cancelClosed = new ControlFunction(this, 'CancelClosed', {
      ...parts,
      folder: 'reconcile',
      name: 'cancel-closed',
      description: 'Cancels the live jobs of an execution that was stopped, failed or timed out',
      env: cancelClosedEnv,
      statements: [rights.jobs('GetItem', 'UpdateItem'), rights.catalog('Query'), ...sendTo(deadLetters)],
    }).fn;
    // Every run of Reconcile looks at everything again, so one that failed is not repeated.
    reconcile.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(2) });
    const retention = new ControlFunction(this, 'Retention', {
      ...parts,
      folder: 'retention',
      name: 'retention',
      description:
        'Deletes, by version, what attempts without a manifest have stored, once its lock has ended',
      env: retentionEnv,
      statements: [
        rights.catalog('GetItem', 'Query', 'UpdateItem', 'DeleteItem'),
        rights.jobs('GetItem'),
        rights.describeExecutions(),
        rights.listVersions(),
        rights.deleteVersions(),
        ...sendTo(deadLetters),
      ],
      seconds: 880,
      memoryMiB: 512,
    }).fn;
    // The next hour's run goes on; one that failed is heard of through the queue.
    retention.configureAsyncInvoke({
      retryAttempts: 0,
      maxEventAge: Duration.hours(1),
      onFailure: new SqsDestination(deadLetters),
    });
    this.cancelClosed.configureAsyncInvoke({
      retryAttempts: 2,
      maxEventAge: Duration.hours(1),
      onFailure: new SqsDestination(deadLetters),
    });
    new ControlFunction(this, 'Rebuild', {
      ...parts,
      folder: 'reconcile',
      name: 'rebuild',
      description: "Folds a site's registry and receipts into the catalog",
      env: rebuildEnv,
      statements: [
        rights.catalog('GetItem', 'PutItem', 'UpdateItem'),
        ...rights.readSites('receipts/*', 'registry/*'),
      ],
      seconds: 880,
      memoryMiB: 1024,
    });
  }
}
