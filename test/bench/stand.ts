import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MariadbServer } from '../../infra/local/mariadb.ts';
import { type LocalPaths, makeLocalDirectories } from '../../infra/local/paths.ts';
import type { ProcessRegistry } from '../../infra/local/processes.ts';
import type { Outcome } from './measure.ts';
import { type MeasuredHost, makeMeasuredHost } from './measured-host.ts';
import { samplePages, startBenchServer } from './servers.ts';

/** What benches share; each part is made when it is first asked for. */
export type Stand = {
  paths: LocalPaths;
  registry: ProcessRegistry;
  say: (line: string) => void;
  /** The AWS CLI that the set-up installed. */
  awsProgram: string;
  host: () => Promise<MeasuredHost>;
  /** A file of database pages. */
  sample: () => Promise<string>;
  /** A server with nothing but its own tables. */
  emptyServer: () => Promise<MariadbServer>;
};

export type Bench = { name: string; about: string; run: (stand: Stand) => Promise<Outcome> };

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

export function makeStand(paths: LocalPaths, registry: ProcessRegistry, say: (line: string) => void): Stand {
  rmSync(paths.run, { recursive: true, force: true });
  makeLocalDirectories(paths);
  return {
    paths,
    registry,
    say,
    awsProgram: join(paths.project, '.local/venv/bin/aws'),
    host: once(() => makeMeasuredHost(paths, registry)),
    sample: once(() => samplePages({ paths, registry })),
    emptyServer: once(() => startBenchServer({ paths, registry }, 'empty', 0)),
  };
}
