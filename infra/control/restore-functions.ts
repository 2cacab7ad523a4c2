import type { Function as Lambda } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { brokerEnv } from '../../functions/env/broker.ts';
import { fitRestoreEnv } from '../../functions/env/fit-restore.ts';
import { holdRestoreEnv } from '../../functions/env/hold-restore.ts';
import { planRestoreEnv } from '../../functions/env/plan-restore.ts';
import { recordRestoreEnv } from '../../functions/env/record-restore.ts';
import { showWindowEnv } from '../../functions/env/show-window.ts';
import { ControlFunction } from './control-function.ts';
import type { Parts } from './parts.ts';

/** What the Restore machine asks, the broker that its runner asks, and what people ask before they restore. */
export class RestoreFunctions extends Construct {
  readonly broker: Lambda;

  constructor(scope: Construct, id: string, parts: Parts) {
    super(scope, id);
    const { rights } = parts;
    const restore = { ...parts, folder: 'restore' };
    new ControlFunction(this, 'PlanRestore', {
      ...restore,
      name: 'plan-restore',
      description: 'Finds the backup and what its restore needs, before anything is touched',
      env: planRestoreEnv,
      statements: [
        rights.catalog('GetItem', 'Query'),
        // The row of the agent that archives: what it has stored since the last pass of Reconcile.
        rights.jobs('GetItem'),
        ...rights.readSites('*/backups/*', '*/logs/*'),
      ],
      // It reads manifests, and the segments from the backup to the point: at the shortest interval 300,000 a week, which
      // take 0.7 GiB and on a whole processor half a minute, beside 180 pages of DynamoDB.
      memoryMiB: 1769,
      seconds: 170,
    });
    new ControlFunction(this, 'ShowWindow', {
      ...parts,
      folder: 'logs',
      name: 'show-window',
      description: 'Tells to which times a cluster can be restored, and how far behind its archive is',
      env: showWindowEnv,
      statements: [rights.catalog('GetItem', 'Query')],
    });
    new ControlFunction(this, 'HoldRestore', {
      ...restore,
      name: 'hold-restore',
      description: 'Locks the target of a restore and pins its backup',
      env: holdRestoreEnv,
      statements: [rights.catalog('GetItem', 'Query', 'PutItem', 'DeleteItem')],
    });
    new ControlFunction(this, 'FitRestore', {
      ...restore,
      name: 'fit-restore',
      description: 'Decides whether a host and directory fit a backup',
      env: fitRestoreEnv,
      statements: [],
    });
    new ControlFunction(this, 'RecordRestore', {
      ...restore,
      name: 'record-restore',
      description: 'Writes the receipt of a backup that a restore has proven',
      env: recordRestoreEnv,
      statements: [
        rights.catalog('GetItem', 'PutItem'),
        ...rights.readSites('receipts/*'),
        ...rights.writeSites('receipts/*'),
      ],
    });
    this.broker = new ControlFunction(this, 'Broker', {
      ...restore,
      name: 'broker',
      description: "Narrows the restore role to one cluster for a live job's runner",
      env: brokerEnv,
      statements: [rights.catalog('GetItem'), rights.jobs('GetItem'), rights.assumeRestore()],
      seconds: 20,
    }).fn;
  }
}
