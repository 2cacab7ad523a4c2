import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../settings.ts';

type Locked = { version: string; integrity: string };

/** What a lockfile of npm says of a package: its version, and its archive's `sha512-<base64>`. */
function locked(project: string, name: string): Locked {
  const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Partial<Locked>>;
  };
  const { version, integrity } = packages[`node_modules/${name}`] ?? {};
  if (!version || !integrity) throw new Error(`the lockfile of ${project} does not name ${name}`);
  return { version, integrity };
}

/** Whether a file has an integrity of the lockfile's kind. */
const hasIntegrity = (file: string, integrity: string): boolean =>
  integrity === `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;

const installedVersion = (directory: string): string | undefined => {
  const file = join(directory, 'package.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Locked).version : undefined;
};

/**
 * The Node that the lockfile pins for hosts of an architecture. npm installs only that of its own machine; another
 * one is fetched once as npm's archive, checked against the lockfile and kept below `.local`.
 */
export function nodeBinary(project: string, architecture: Architecture): string {
  const name = `node-linux-${architecture}`;
  const { version, integrity } = locked(project, name);
  const own = join(project, 'node_modules', name);
  if (installedVersion(own) === version) return join(own, 'bin/node');
  const kept = join(project, '.local/node', `${name}-${version}`);
  if (!existsSync(kept)) {
    const work = `${kept}.${process.pid}`;
    mkdirSync(work, { recursive: true });
    try {
      execFileSync('npm', ['pack', `${name}@${version}`, '--pack-destination', work, '--loglevel=error'], {
        cwd: project,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const archive = join(work, `${name}-${version}.tgz`);
      if (!hasIntegrity(archive, integrity))
        throw new Error(`the archive of ${name}@${version} is not the one that the lockfile names`);
      execFileSync('tar', ['-xzf', archive, '-C', work, 'package/bin/node']);
      renameSync(join(work, 'package'), kept);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return join(kept, 'bin/node');
}
