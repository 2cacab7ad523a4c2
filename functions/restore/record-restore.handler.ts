import { catalogFrom } from '../clients/catalog.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { readEnv } from '../env/read.ts';
import { recordRestoreEnv } from '../env/record-restore.ts';
import { makeHandler } from './record-restore.ts';

export const handler = makeHandler({
  ...catalogFrom(readEnv(recordRestoreEnv, process.env)),
  objectsOf: makeObjectsOf(),
});
