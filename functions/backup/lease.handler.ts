import { setTimeout as sleep } from 'node:timers/promises';
import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { leaseEnv } from '../env/lease.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './lease.ts';

export const handler = makeHandler({
  ...catalogFrom(readEnv(leaseEnv, process.env)),
  now,
  random: Math.random,
  sleep: (ms) => sleep(ms),
});
