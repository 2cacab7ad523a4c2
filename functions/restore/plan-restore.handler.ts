import { mint } from '../backup/mint.ts';
import { catalogFrom } from '../clients/catalog.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { planRestoreEnv } from '../env/plan-restore.ts';
import { readEnv } from '../env/read.ts';
import { makeArchiveHeads } from '../logs/archive-heads.ts';
import { makeHandler } from './plan-restore.ts';

const env = readEnv(planRestoreEnv, process.env);
const catalog = catalogFrom(env);

export const handler = makeHandler({
  ...catalog,
  objectsOf: makeObjectsOf(),
  archives: makeArchiveHeads({ ...catalog, sites: env.SITES }),
  sites: env.SITES,
  mintJobId: mint.jobId,
});
