import { IAMClient } from '@aws-sdk/client-iam';
import { SSMClient } from '@aws-sdk/client-ssm';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { HostPlace, HostPlaces } from '../env/variables.ts';

/** Clients for one account and region with databases, under its dispatch role. */
export type Place = HostPlace & { ssm: SSMClient; iam: IAMClient };
export type Places = { of(account: string, region: string): Place };

/**
 * Clients per place, made once. Each holds the credentials of the dispatch role and renews them five minutes
 * before they end. Seven tries span about 25 s on average, half of a task's 60 s: what is still throttled then
 * is told as such. Throws `Settings.Invalid` for a place that is not in the settings.
 */
export function makePlaces(hostPlaces: HostPlaces): Places {
  const made = new Map<string, Place>();
  return {
    of(account, region) {
      const name = `${account}/${region}`;
      const known = made.get(name);
      if (known !== undefined) return known;
      const place = hostPlaces[name];
      if (place === undefined) {
        throw new NamedError(
          'Settings.Invalid',
          `no hosts are set up in ${name}; the settings have ${Object.keys(hostPlaces).join(', ') || 'none'}`,
          { field: 'accounts', value: name },
        );
      }
      const configuration = {
        region,
        maxAttempts: 7,
        credentials: fromTemporaryCredentials({
          params: { RoleArn: place.dispatchRoleArn, RoleSessionName: 'holdfast', DurationSeconds: 3600 },
          clientConfig: { region },
        }),
      };
      const clients = { ...place, ssm: new SSMClient(configuration), iam: new IAMClient(configuration) };
      made.set(name, clients);
      return clients;
    },
  };
}
