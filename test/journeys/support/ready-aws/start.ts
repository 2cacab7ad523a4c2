import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalPaths } from '../../../../infra/local/paths.ts';
import type { ProcessRegistry } from '../../../../infra/local/processes.ts';
import { waitUntilReady } from '../../../../infra/local/wait.ts';

/** Loads the AWS CLI of the set-up once; answers the directory of an `aws` that asks it, for the front of a PATH. */
export async function startReadyAws(
  registry: ProcessRegistry,
  { project, run, sockets }: Pick<LocalPaths, 'project' | 'run' | 'sockets'>,
): Promise<string> {
  const socket = join(sockets, 'aws.sock');
  const here = import.meta.dirname;
  const python = join(project, '.local/venv/bin/python3');
  const server = registry.start('the AWS CLI', python, [join(here, 'serve.py'), socket], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' },
  });
  const directory = join(run, 'ready-aws');
  mkdirSync(directory, { recursive: true });
  const shim = `#!/bin/sh\nexec /usr/bin/python3 -SE '${join(here, 'ask.py')}' '${socket}' "$@"\n`;
  writeFileSync(join(directory, 'aws'), shim, { mode: 0o755 });
  await waitUntilReady('the AWS CLI', 60_000, async () => existsSync(socket), {
    ended: () => server.exitCode !== null,
    detail: () => '',
  });
  return directory;
}
