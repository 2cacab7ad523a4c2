import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { cancelClosedEnv } from '../env/cancel-closed.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './cancel-closed.ts';

export const handler = makeHandler({ ...catalogFrom(readEnv(cancelClosedEnv, process.env)), now });
