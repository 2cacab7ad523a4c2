import { catalogFrom } from '../clients/catalog.ts';
import { readEnv } from '../env/read.ts';
import { releaseEnv } from '../env/release.ts';
import { makeHandler } from './release.ts';

export const handler = makeHandler(catalogFrom(readEnv(releaseEnv, process.env)));
