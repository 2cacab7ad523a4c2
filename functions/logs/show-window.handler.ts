import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { readEnv } from '../env/read.ts';
import { showWindowEnv } from '../env/show-window.ts';
import { makeHandler } from './show-window.ts';

const env = readEnv(showWindowEnv, process.env);

export const handler = makeHandler({ ...catalogFrom(env), sites: env.SITES, now });
