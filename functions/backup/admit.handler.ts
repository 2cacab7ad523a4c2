import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeGetPolicy } from '../clients/policies.ts';
import { admitEnv } from '../env/admit.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './admit.ts';
import { mint } from './mint.ts';

const env = readEnv(admitEnv, process.env);

export const handler = makeHandler({
  ...catalogFrom(env),
  getPolicy: makeGetPolicy(env.POLICY_PREFIX),
  mint,
  now,
});
