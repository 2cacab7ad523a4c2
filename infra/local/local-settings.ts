import type { SettingsInput } from '../settings.ts';

/** The one policy of the local target; on the hour, so that its newest slot is always inside the window. */
export const localPolicy = 'hourly';
export const localSite = 'home';

/** `holdfast.json` of the local target: one site, one place with hosts, one policy. */
export function localSettings(at: { account: string; region: string }): SettingsInput {
  return {
    installation: 'holdfast',
    sites: { [localSite]: { ...at, bucket: `holdfast-home-${at.account}` } },
    control: { ...at, site: localSite },
    hosts: [at],
    // What this machine is; packing another Node would only take time.
    runner: { architectures: [process.arch === 'arm64' ? 'arm64' : 'x64'] },
    policies: [
      {
        name: localPolicy,
        schedule: { cron: '0 * * * *', zone: 'Europe/Berlin', windowMinutes: 60 },
        method: 'physical',
        stallSeconds: 120,
        // The hosts share one machine of two cores.
        toolThreads: 1,
        logs: { archive: true, intervalSeconds: 2 },
      },
    ],
  };
}
