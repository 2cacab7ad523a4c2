import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { makeAgents } from './agent.ts';
import { makeArchives } from './archive.ts';
import { makeBackups } from './backup.ts';
import { makeBreaches } from './breach.ts';
import { makeClusters } from './cluster.ts';
import { makeCoverages } from './coverage.ts';
import { makeHosts } from './host.ts';
import { makeJobs } from './job.ts';
import { makeLeases } from './lease.ts';
import { makeLocks } from './lock.ts';
import { makeOrders } from './order.ts';
import { makePins } from './pin.ts';
import { makeRetentionSwitch } from './retention-switch.ts';
import { makeSlots } from './slot.ts';
import { makeTombstones } from './tombstone.ts';

/** All record kinds over one client. Handlers take only the parts they use. */
export function makeCatalog(deps: { client: DynamoDBDocumentClient; table: string; jobs: string }) {
  return {
    agents: makeAgents(deps),
    archives: makeArchives(deps),
    backups: makeBackups(deps),
    breaches: makeBreaches(deps),
    clusters: makeClusters(deps),
    coverages: makeCoverages(deps),
    hosts: makeHosts(deps),
    jobs: makeJobs(deps),
    leases: makeLeases(deps),
    locks: makeLocks(deps),
    orders: makeOrders(deps),
    pins: makePins(deps),
    retentionSwitch: makeRetentionSwitch(deps),
    slots: makeSlots(deps),
    tombstones: makeTombstones(deps),
  };
}

export type Catalog = ReturnType<typeof makeCatalog>;
