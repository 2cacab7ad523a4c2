import { now } from '../clients/clock.ts';
import { makePutEvents } from '../clients/events.ts';
import { publishEnv } from '../env/publish.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './publish.ts';

const env = readEnv(publishEnv, process.env);

export const handler = makeHandler({ putEvents: makePutEvents(env.EVENT_BUS), now });
