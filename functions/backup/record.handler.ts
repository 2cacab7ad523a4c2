import { catalogFrom } from '../clients/catalog.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { readEnv } from '../env/read.ts';
import { recordEnv } from '../env/record.ts';
import { makeHandler } from './record.ts';

export const handler = makeHandler({
  ...catalogFrom(readEnv(recordEnv, process.env)),
  objectsOf: makeObjectsOf(),
});
