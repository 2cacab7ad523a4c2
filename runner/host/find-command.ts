import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** What children get as PATH: system directories only, whatever the runner itself was started with. */
export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The PATH of children: the directories of the settings, else the system's. */
export const searchPath = (directories: readonly string[] | undefined): string =>
  directories?.join(delimiter) ?? systemPath;

/** Finds a program in `path` as the system would; undefined where there is none that may be run. */
export function findCommand(command: string, path: string = systemPath): string | undefined {
  const candidates = isAbsolute(command) ? [command] : path.split(delimiter).map((d) => join(d, command));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
}
