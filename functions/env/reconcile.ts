import { envOf } from './variables.ts';

/** Environment of the function `reconcile`. */
export const reconcileEnv = envOf(
  'CATALOG_TABLE',
  'JOBS_TABLE',
  'SITES',
  'POLICY_PREFIX',
  'BACKUP_MACHINE_ARN',
  'METRIC_NAMESPACE',
  'TOPIC_ARN',
  'INSTALLATION',
);
