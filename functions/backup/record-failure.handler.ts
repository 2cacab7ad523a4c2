import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { readEnv } from '../env/read.ts';
import { recordFailureEnv } from '../env/record-failure.ts';
import { makeHandler } from './record-failure.ts';

export const handler = makeHandler({ ...catalogFrom(readEnv(recordFailureEnv, process.env)), now });
