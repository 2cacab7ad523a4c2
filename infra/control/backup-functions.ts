import { Construct } from 'constructs';
import { admitEnv } from '../../functions/env/admit.ts';
import { cancelEnv } from '../../functions/env/cancel.ts';
import { dispatchEnv } from '../../functions/env/dispatch.ts';
import { findManifestEnv } from '../../functions/env/find-manifest.ts';
import { leaseEnv } from '../../functions/env/lease.ts';
import { planEnv } from '../../functions/env/plan.ts';
import { publishEnv } from '../../functions/env/publish.ts';
import { recordEnv } from '../../functions/env/record.ts';
import { recordFailureEnv } from '../../functions/env/record-failure.ts';
import { releaseEnv } from '../../functions/env/release.ts';
import { verifyEnv } from '../../functions/env/verify.ts';
import { ControlFunction } from './control-function.ts';
import type { Parts } from './parts.ts';

/** What the Backup machine asks, in the order in which it asks. Restore shares dispatch, cancel, release and publish. */
export class BackupFunctions extends Construct {
  constructor(scope: Construct, id: string, parts: Parts) {
    super(scope, id);
    const { rights } = parts;
    const backup = { ...parts, folder: 'backup' };
    new ControlFunction(this, 'Admit', {
      ...backup,
      name: 'admit',
      description: 'Validates a request for a backup and locks the cluster',
      env: admitEnv,
      statements: [rights.catalog('GetItem', 'PutItem', 'UpdateItem'), rights.policies()],
    });
    new ControlFunction(this, 'Dispatch', {
      ...backup,
      name: 'dispatch',
      description: 'Orders a job and starts its runner on the host',
      env: dispatchEnv,
      statements: [
        rights.catalog('GetItem', 'PutItem', 'ConditionCheckItem'),
        rights.jobs('GetItem', 'PutItem', 'UpdateItem'),
        rights.assumeDispatch(),
        rights.answerTasks(),
      ],
    });
    new ControlFunction(this, 'Plan', {
      ...backup,
      name: 'plan',
      description: 'Chooses the member and the way of a backup',
      env: planEnv,
      statements: [rights.catalog('GetItem', 'Query')],
    });
    new ControlFunction(this, 'Lease', {
      ...backup,
      name: 'lease',
      description: 'Takes all leases of a backup or none',
      env: leaseEnv,
      statements: [rights.catalog('GetItem', 'UpdateItem')],
    });
    new ControlFunction(this, 'Verify', {
      ...backup,
      name: 'verify',
      description: 'Compares every stored volume with the index and the metrics with the history',
      env: verifyEnv,
      statements: [rights.catalog('GetItem', 'Query'), ...rights.readSites()],
      // 880 s end before the 900 s of the state; HEADs of 64 volumes at once need the processor of 1 GiB.
      seconds: 880,
      memoryMiB: 1024,
    });
    new ControlFunction(this, 'Record', {
      ...backup,
      name: 'record',
      description: 'Writes the receipts of a backup and folds them into the catalog',
      env: recordEnv,
      statements: [
        rights.catalog('GetItem', 'Query', 'PutItem', 'UpdateItem'),
        ...rights.readSites('*/backups/*', 'receipts/*'),
        ...rights.writeSites('receipts/*'),
      ],
      // A manifest of 100,000 tables has 20 MB and takes ten times as much while it is read.
      memoryMiB: 512,
    });
    new ControlFunction(this, 'Release', {
      ...backup,
      name: 'release',
      description: 'Gives back the lock, leases and pins of an execution',
      env: releaseEnv,
      statements: [rights.catalog('Query', 'UpdateItem', 'DeleteItem')],
    });
    new ControlFunction(this, 'Publish', {
      ...backup,
      name: 'publish',
      description: 'Puts events onto the bus',
      env: publishEnv,
      statements: [rights.putEvents()],
    });
    new ControlFunction(this, 'Cancel', {
      ...backup,
      name: 'cancel',
      description: 'Cancels the live jobs of an execution and says whether they have ended',
      env: cancelEnv,
      statements: [rights.catalog('Query'), rights.jobs('GetItem', 'UpdateItem')],
    });
    new ControlFunction(this, 'FindManifest', {
      ...backup,
      name: 'find-manifest',
      description: 'Says whether the manifest of an ordered backup is there',
      env: findManifestEnv,
      statements: [rights.catalog('GetItem'), ...rights.readSites()],
    });
    new ControlFunction(this, 'RecordFailure', {
      ...backup,
      name: 'record-failure',
      description: 'Notes why an attempt failed and closes it',
      env: recordFailureEnv,
      statements: [rights.catalog('GetItem', 'UpdateItem')],
    });
  }
}
