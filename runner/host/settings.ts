import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';
import { type RunnerSettings, runnerSettingsSchema } from '../../contract/records/runner-settings.ts';

/** Where holdfast is installed on this host. */
export const installRoot = (environment: Record<string, string | undefined>): string =>
  environment.HOLDFAST_ROOT || '/opt/holdfast';

/** Reads `etc/runner.json`; what is wrong is named with its place. */
export function readSettings(root: string): RunnerSettings {
  const file = join(root, 'etc/runner.json');
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new NamedError('Settings.Invalid', `${file}: ${(error as Error).message}`, { file });
  }
  const parsed = runnerSettingsSchema.safeParse(document);
  if (!parsed.success)
    throw new NamedError('Settings.Invalid', `${file}: ${z.prettifyError(parsed.error)}`, { file });
  return parsed.data;
}
