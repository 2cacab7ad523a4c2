import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NamedError } from '../../contract/errors/named-error.ts';
import { readStored } from '../../contract/formats/codec.ts';
import { type RunnerSettings, runnerSettingsSchema } from '../../contract/records/runner-settings.ts';

/** Where holdfast is installed on this host. */
export const installRoot = (environment: Record<string, string | undefined>): string =>
  environment.HOLDFAST_ROOT || '/opt/holdfast';

/**
 * Reads `etc/runner.json`; what is wrong is named with its place. What a newer installation wrote beside is passed over,
 * so that going back to this release needs nothing more.
 */
export function readSettings(root: string): RunnerSettings {
  const file = join(root, 'etc/runner.json');
  try {
    return readStored(runnerSettingsSchema, file, JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const said = (cause as Error).message;
    throw new NamedError(
      'Settings.Invalid',
      said.includes(file) ? said : `${file}: ${said}`,
      { file },
      { cause },
    );
  }
}
