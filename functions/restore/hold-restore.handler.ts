import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { holdRestoreEnv } from '../env/hold-restore.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './hold-restore.ts';

export const handler = makeHandler({ ...catalogFrom(readEnv(holdRestoreEnv, process.env)), now });
