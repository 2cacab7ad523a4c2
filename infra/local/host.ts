import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunnerSettings } from '../../contract/records/runner-settings.ts';
import type { ProcessRegistry } from './processes.ts';

/** A file of the runner's installation: copied, or linked where copying 120 MB for each host would be waste. */
export type InstalledFile = { from: string; to: string; mode?: number; link?: boolean };

export type HostPlan = {
  /** SSM node id; looks like `mi-0abc…`. */
  hostId: string;
  /** What `/` would be to the runner of this host; set as HOLDFAST_ROOT. */
  root: string;
  /** `etc/runner.json`, where no installation writes it. */
  runnerSettings?: RunnerSettings;
  /** `etc/environment`: endpoints, region and where credentials are. */
  environment: Readonly<Record<string, string>>;
  /** Launcher, bundled runner and Node, relative to the root. */
  files: readonly InstalledFile[];
};

export type LocalHost = { hostId: string; root: string };

/** KEY=VALUE lines. Values are taken as they are, without quoting, so they cannot hold a line break. */
export function environmentFile(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([key, value]) => {
      if (!/^[A-Z][A-Z0-9_]*$/.test(key))
        throw new Error(`${key} is not the name of an environment variable`);
      if (/[\r\n\0]/.test(value)) throw new Error(`the value of ${key} holds a line break`);
      return `${key}=${value}\n`;
    })
    .join('');
}

/**
 * Lays out a host: `etc/environment`, `etc/runner.json`, the installed files, `var` for work files. Database
 * servers run as another user, so the root can be passed through, but not listed, by everyone; `etc` by no one.
 */
export function createHost(plan: HostPlan, registry: ProcessRegistry): LocalHost {
  const { hostId, root } = plan;
  mkdirSync(join(root, 'etc'), { recursive: true });
  chmodSync(root, 0o711);
  chmodSync(join(root, 'etc'), 0o700);
  mkdirSync(join(root, 'var'), { recursive: true });
  writeFileSync(join(root, 'etc/environment'), environmentFile(plan.environment), { mode: 0o600 });
  if (plan.runnerSettings)
    writeFileSync(join(root, 'etc/runner.json'), `${JSON.stringify(plan.runnerSettings, null, 2)}\n`);
  for (const file of plan.files) installFile(root, file);
  registry.watchRoot(`host ${hostId}`, root);
  return { hostId, root };
}

function installFile(root: string, { from, to, mode, link }: InstalledFile): void {
  const target = join(root, to);
  mkdirSync(dirname(target), { recursive: true });
  if (link) {
    symlinkSync(from, target);
    return;
  }
  copyFileSync(from, target);
  if (mode !== undefined) chmodSync(target, mode);
}
