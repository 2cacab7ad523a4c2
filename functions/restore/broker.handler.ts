import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeAssumeRole } from '../clients/credentials.ts';
import { brokerEnv } from '../env/broker.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './broker.ts';

const env = readEnv(brokerEnv, process.env);

export const handler = makeHandler({
  ...catalogFrom(env),
  assumeRole: makeAssumeRole(),
  roles: env.RESTORE_ROLES,
  now,
});
