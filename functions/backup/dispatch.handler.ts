import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeLaunch } from '../clients/launcher.ts';
import { makePlaces } from '../clients/places.ts';
import { makeTasks } from '../clients/tasks.ts';
import { dispatchEnv } from '../env/dispatch.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './dispatch.ts';
import { makeOrderJob } from './order-job.ts';

const env = readEnv(dispatchEnv, process.env);
const { hosts, jobs, slots } = catalogFrom(env);

export const handler = makeHandler({
  hosts,
  slots,
  orderJob: makeOrderJob({ jobs, launch: makeLaunch(makePlaces(env.HOST_PLACES)), now }),
  tasks: makeTasks(),
});
