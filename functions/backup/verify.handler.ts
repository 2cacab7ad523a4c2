import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { readEnv } from '../env/read.ts';
import { verifyEnv } from '../env/verify.ts';
import { makeHandler } from './verify.ts';

export const handler = makeHandler({
  ...catalogFrom(readEnv(verifyEnv, process.env)),
  objectsOf: makeObjectsOf(),
  now,
});
