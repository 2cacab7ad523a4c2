import type { RunnerSettings } from '../contract/records/runner-settings.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

/** `etc/runner.json` of every host of the installation. */
export const runnerSettingsOf = (settings: Settings, names: Names): RunnerSettings => ({
  v: 1,
  region: settings.control.region,
  jobsTable: names.jobsTable,
  brokerFunction: names.function('broker'),
});
