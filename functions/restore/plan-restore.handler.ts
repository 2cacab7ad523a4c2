import { mint } from '../backup/mint.ts';
import { catalogFrom } from '../clients/catalog.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { planRestoreEnv } from '../env/plan-restore.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './plan-restore.ts';

const env = readEnv(planRestoreEnv, process.env);

export const handler = makeHandler({
  ...catalogFrom(env),
  objectsOf: makeObjectsOf(),
  sites: env.SITES,
  mintJobId: mint.jobId,
});
