import { join } from 'node:path';
import { namesOf } from '../names.ts';
import type { Settings } from '../settings.ts';
import type { Emulator } from './emulator.ts';
import { createHost, type LocalHost } from './host.ts';
import { hostEnvironment, hostIdentity } from './host-credentials.ts';
import type { LocalPaths } from './paths.ts';
import type { ProcessRegistry } from './processes.ts';
import type { SsmEndpoint } from './ssm-endpoint.ts';

/** Managed nodes of the local target; hybrid ones look the same in SSM. */
export const localHostIds = { primary: 'mi-primary', replica: 'mi-replica', empty: 'mi-empty' } as const;

export type LocalHosts = Record<keyof typeof localHostIds, LocalHost>;

/** Lays out the three hosts, on which nothing of holdfast is installed yet, and makes them managed nodes. */
export function createLocalHosts(input: {
  paths: LocalPaths;
  registry: ProcessRegistry;
  emulator: Emulator;
  ssm: SsmEndpoint;
  settings: Settings;
}): LocalHosts {
  const { paths, registry, emulator, ssm, settings } = input;
  const names = namesOf(settings);
  const place = settings.hosts[0];
  if (!place) throw new Error('the local settings name no place with hosts');
  const create = (key: keyof typeof localHostIds): LocalHost => {
    const identity = hostIdentity(localHostIds[key], names.hostRoleArn(place));
    const root = join(paths.run, 'hosts', identity.hostId);
    const host = createHost(
      {
        hostId: identity.hostId,
        root,
        environment: hostEnvironment(identity, {
          emulator: emulator.endpoint,
          ssm: ssm.endpoint,
          region: emulator.region,
        }),
        files: [],
      },
      registry,
    );
    ssm.addHost(host, identity);
    return host;
  };
  return { primary: create('primary'), replica: create('replica'), empty: create('empty') };
}
