import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { mint } from '../backup/mint.ts';
import { makeOrderJob } from '../backup/order-job.ts';
import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeUserIdOf } from '../clients/host-role.ts';
import { makeLaunch } from '../clients/launcher.ts';
import { makeObjectsOf } from '../clients/objects.ts';
import { makePlaces } from '../clients/places.ts';
import { makeGetPolicy } from '../clients/policies.ts';
import { readEnv } from '../env/read.ts';
import { registerEnv } from '../env/register.ts';
import { makeCheckHosts } from './check-hosts.ts';
import { makeHandler } from './register.ts';
import { makeRegisterCluster } from './register-cluster.ts';
import { makeRegisterHost } from './register-host.ts';

const env = readEnv(registerEnv, process.env);
const { clusters, hosts, jobs } = catalogFrom(env);
const places = makePlaces(env.HOST_PLACES);
const shared = {
  hosts,
  checkHosts: makeCheckHosts({
    orderJob: makeOrderJob({ jobs, launch: makeLaunch(places), now }),
    jobs,
    now,
    sleep: (ms) => sleep(ms),
  }),
  sites: env.SITES,
  objectsOf: makeObjectsOf(),
  mint,
  now,
};

export const handler = makeHandler({
  registerCluster: makeRegisterCluster({ ...shared, clusters, getPolicy: makeGetPolicy(env.POLICY_PREFIX) }),
  registerHost: makeRegisterHost({
    ...shared,
    hostPlaces: env.HOST_PLACES,
    userIdOf: makeUserIdOf(places),
  }),
  uuid: randomUUID,
});
