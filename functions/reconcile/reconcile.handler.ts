import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeExecutions } from '../clients/executions.ts';
import { makeFolders } from '../clients/folders.ts';
import { makePutMetrics } from '../clients/metrics.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { makeGetPolicy } from '../clients/policies.ts';
import { makeTasks } from '../clients/tasks.ts';
import { makePublish } from '../clients/topic.ts';
import { makeVersionsOf } from '../clients/versions.ts';
import { readEnv } from '../env/read.ts';
import { reconcileEnv } from '../env/reconcile.ts';
import { makeHandler } from './reconcile.ts';

const env = readEnv(reconcileEnv, process.env);

export const handler = makeHandler({
  ...catalogFrom(env),
  executions: makeExecutions(),
  tasks: makeTasks(),
  objectsOf: makeObjectsOf(),
  folders: makeFolders(),
  versionsOf: makeVersionsOf(),
  getPolicy: makeGetPolicy(env.POLICY_PREFIX),
  putMetrics: makePutMetrics(env.METRIC_NAMESPACE),
  publish: makePublish(env.TOPIC_ARN),
  sites: env.SITES,
  backupMachineArn: env.BACKUP_MACHINE_ARN,
  installation: env.INSTALLATION,
  now,
});
