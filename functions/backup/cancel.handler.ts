import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { cancelEnv } from '../env/cancel.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './cancel.ts';

export const handler = makeHandler({ ...catalogFrom(readEnv(cancelEnv, process.env)), now });
