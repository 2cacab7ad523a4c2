import { policySchema } from '../../../contract/records/policy.ts';
import { namesOf } from '../../../infra/names.ts';
import { parseSettings } from '../../../infra/settings.ts';
import { type Definition, definitionsOf, exampleSettings, synthesized } from '../../infra/synthesized.ts';

export const names = namesOf(parseSettings(exampleSettings()));
const definitions = definitionsOf(synthesized()[names.controlStack]!);

/** Definition of a machine, as synthesized. */
export const machineOf = (arn: string): Definition => definitions[arn.split(':').at(-1)!];
export const machines = {
  fleet: names.machineArn('fleet-backup'),
  backup: names.machineArn('backup'),
  restore: names.machineArn('restore'),
};
export const bucket = 'example-holdfast-frankfurt';
export const site = { bucket, region: 'eu-central-1', account: '111122223333' };

/** Slots at two o'clock; a window in which three attempts and what they wait for have room. */
export const policy = policySchema.parse({
  name: 'nightly',
  schedule: { cron: '0 2 * * *', zone: 'UTC', windowMinutes: 360 },
  method: 'physical',
  codec: 'none',
});
