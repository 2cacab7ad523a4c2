import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeExecutions } from '../clients/executions.ts';
import { makeVersionsOf } from '../clients/versions.ts';
import { readEnv } from '../env/read.ts';
import { retentionEnv } from '../env/retention.ts';
import { makeHandler } from './retention.ts';

const env = readEnv(retentionEnv, process.env);

export const handler = makeHandler({
  ...catalogFrom(env),
  executions: makeExecutions(),
  versionsOf: makeVersionsOf(),
  sites: env.SITES,
  now,
});
