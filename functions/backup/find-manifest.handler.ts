import { catalogFrom } from '../clients/catalog.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { findManifestEnv } from '../env/find-manifest.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './find-manifest.ts';

export const handler = makeHandler({
  ...catalogFrom(readEnv(findManifestEnv, process.env)),
  objectsOf: makeObjectsOf(),
});
