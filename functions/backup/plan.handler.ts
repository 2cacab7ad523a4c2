import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { planEnv } from '../env/plan.ts';
import { readEnv } from '../env/read.ts';
import { mint } from './mint.ts';
import { makeHandler } from './plan.ts';

const env = readEnv(planEnv, process.env);

export const handler = makeHandler({ ...catalogFrom(env), sites: env.SITES, mint, now });
