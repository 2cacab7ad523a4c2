import type { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { variables } from '../../functions/env/variables.ts';
import { type Names, partitionOf } from '../names.ts';
import type { Settings } from '../settings.ts';

/** Every variable there is: one that a function asks for and that is missing here does not compile. */
export type Environment = Record<keyof typeof variables, string>;

/** A Lambda's environment may hold 4 KB of names and values; 256 bytes are left to the runtime's own. */
const environmentBytesAtMost = 4096 - 256;

/** What every variable holds, from settings alone. */
export function environmentOf(settings: Settings, names: Names): Environment {
  const sites = Object.entries(settings.sites);
  return {
    CATALOG_TABLE: names.catalogTable,
    JOBS_TABLE: names.jobsTable,
    SCRATCH_BUCKET: names.scratchBucket,
    SITES: JSON.stringify(
      Object.fromEntries(
        sites.map(([name, { bucket, region, account }]) => [name, { bucket, region, account }]),
      ),
    ),
    POLICY_PREFIX: names.policyPrefix,
    HOST_PLACES: JSON.stringify({
      partition: partitionOf(settings.control.region),
      dispatchRole: names.dispatchRole,
      hostRole: names.hostRole,
      document: names.document,
      places: settings.hosts.map((at) => `${at.account}/${at.region}`),
    }),
    EVENT_BUS: names.bus,
    TOPIC_ARN: names.topicArn,
    BACKUP_MACHINE_ARN: names.machineArn('backup'),
    RESTORE_MACHINE_ARN: names.machineArn('restore'),
    RESTORE_ROLES: JSON.stringify(
      Object.fromEntries(sites.map(([name]) => [name, names.restoreRoleArn(name)])),
    ),
    METRIC_NAMESPACE: names.metricNamespace,
    INSTALLATION: names.installation,
  };
}

/** The variables that a function's own schema names, checked by it. Throws Settings.Invalid where they would not fit into a Lambda. */
export function pickEnvironment(schema: z.ZodObject, all: Environment, name: string): Record<string, string> {
  const picked = Object.fromEntries(
    Object.keys(schema.shape).map((key) => [key, all[key as keyof Environment]]),
  );
  schema.parse(picked);
  const bytes = Object.entries(picked).reduce(
    (sum, [key, value]) => sum + key.length + Buffer.byteLength(value),
    0,
  );
  if (bytes > environmentBytesAtMost) {
    throw new NamedError(
      'Settings.Invalid',
      `the environment of ${name} would have ${bytes} bytes, more than ${environmentBytesAtMost}: fewer sites or places with hosts fit`,
      { function: name, bytes },
    );
  }
  return picked;
}
