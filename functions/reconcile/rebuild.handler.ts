import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { readEnv } from '../env/read.ts';
import { rebuildEnv } from '../env/rebuild.ts';
import { makeHandler } from './rebuild.ts';

const env = readEnv(rebuildEnv, process.env);

export const handler = makeHandler({
  ...catalogFrom(env),
  objectsOf: makeObjectsOf(),
  sites: env.SITES,
  now,
});
