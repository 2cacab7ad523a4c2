import { spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptOf } from '../../../../infra/local/ssm-document.ts';
import { type SmallRelease, smallRelease } from '../../../doubles/runner-release.ts';
import { currentRelease, type Host, installDocument, makeHost } from './installing.ts';

/** All that changes a file; what only reads cannot leave anything half done. */
const writers = ['mkdir', 'cat', 'gzip', 'chmod', 'sync', 'mv', 'ln', 'rm'];

/** Counts itself and kills the whole process group at the chosen one, before its work or after it. */
const wrapper = (program: string) => `#!/bin/sh
read -r n <"$COUNTER"
n=$((n + 1))
echo "$n" >"$COUNTER"
[ "$n.before" = "$KILL_AT" ] && kill -9 0
[ "$n.after" = "$KILL_AT" ] || exec /usr/bin/${program} "$@"
/usr/bin/${program} "$@"
kill -9 0
`;

const document = installDocument();
let host: Host;
let older: SmallRelease;
let old: SmallRelease;
let fresh: SmallRelease;

beforeAll(async () => {
  host = makeHost(document);
  [older, old, fresh] = ['older', 'old', 'fresh'].map((version) => smallRelease(host.work, version)) as [
    SmallRelease,
    SmallRelease,
    SmallRelease,
  ];
  mkdirSync(join(host.work, 'bin'));
  for (const program of writers)
    writeFileSync(join(host.work, 'bin', program), wrapper(program), { mode: 0o755 });
});
afterAll(() => host.close(), 60_000);

/** Runs one step for the fresh release on a host, killed at a point of it if one is told; whether it ended by itself. */
async function run(step: string, root: string, killAt?: string): Promise<boolean> {
  const found = document.content.mainSteps.find(({ name }) => name === step);
  if (found?.action !== 'aws:runShellScript') throw new Error(`there is no step ${step}`);
  const downloads = join(root, 'downloads');
  mkdirSync(downloads, { recursive: true });
  for (const file of readdirSync(fresh.directory))
    copyFileSync(join(fresh.directory, file), join(downloads, file));
  const counter = join(root, 'counter');
  writeFileSync(counter, '0\n');
  const path = killAt === undefined ? '/usr/bin:/bin' : `${join(host.work, 'bin')}:/usr/bin:/bin`;
  const child = spawn('/usr/bin/dash', ['-c', scriptOf(document, found, { Release: fresh.name }).script], {
    cwd: downloads,
    detached: true,
    stdio: 'ignore',
    env: { PATH: path, HOLDFAST_ROOT: root, COUNTER: counter, KILL_AT: killAt },
  });
  return new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal === null)));
}

/** Every point at which a step can be killed, each tried on a host of its own; how many there were. */
async function killEverywhere(
  step: string,
  make: (root: string) => void,
  check: (root: string, at: string) => void,
): Promise<number> {
  const reached = async (at: string): Promise<boolean> => {
    const root = mkdtempSync(join(host.work, 'killed-'));
    make(root);
    if (await run(step, root, at)) return false;
    check(root, at);
    // The next one ends what this one began.
    expect(await run('InstallRelease', root), at).toBe(true);
    expect(currentRelease(root), at).toEqual({ name: fresh.name, whole: true });
    expect(readdirSync(join(root, 'releases')).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(existsSync(join(root, 'bin/holdfast-launch')), at).toBe(true);
    rmSync(root, { recursive: true });
    return true;
  };
  let points = 0;
  while (
    (await Promise.all([reached(`${points + 1}.before`), reached(`${points + 1}.after`)])).every(Boolean)
  )
    points += 1;
  return points;
}

describe('an installation that is killed', () => {
  it('at any point leaves a whole release to start jobs with, and is ended by the next one', async () => {
    await host.install(older);
    await host.install(old);
    const seen = new Set<string>();
    const points = await killEverywhere(
      'InstallRelease',
      (root) => cpSync(host.root, root, { recursive: true, verbatimSymlinks: true }),
      (root, at) => {
        const { name, whole } = currentRelease(root);
        expect(whole, at).toBe(true);
        expect(existsSync(join(root, 'bin/holdfast-launch')), at).toBe(true);
        expect(() => JSON.parse(readFileSync(join(root, 'etc/runner.json'), 'utf8')), at).not.toThrow();
        seen.add(name);
      },
    );
    expect(points).toBeGreaterThan(15);
    expect([...seen]).toEqual([old.name, fresh.name]);
  }, 120_000);

  it('at any point leaves an installation by hand as it was, or the release in its place', async () => {
    const launcher = readFileSync('runner/host/launch/holdfast-launch');
    const points = await killEverywhere(
      'InstallRelease',
      (root) => {
        for (const folder of ['bin', 'lib', 'etc']) mkdirSync(join(root, folder), { recursive: true });
        writeFileSync(join(root, 'bin/holdfast-launch'), launcher);
        for (const file of ['bin/node', 'lib/runner.mjs', 'etc/runner.json'])
          writeFileSync(join(root, file), '{}');
      },
      (root, at) => {
        expect(readFileSync(join(root, 'bin/holdfast-launch')), at).toEqual(launcher);
        if (existsSync(join(root, 'current'))) expect(currentRelease(root).whole, at).toBe(true);
        else
          expect([existsSync(join(root, 'bin/node')), existsSync(join(root, 'lib/runner.mjs'))]).toEqual([
            true,
            true,
          ]);
      },
    );
    expect(points).toBeGreaterThan(12);
  }, 120_000);

  it('at any point of going back leaves the one release or the other', async () => {
    const points = await killEverywhere(
      'UseInstalledRelease',
      (root) => {
        cpSync(host.root, root, { recursive: true, verbatimSymlinks: true });
        cpSync(join(root, 'releases', old.name), join(root, 'releases', fresh.name), { recursive: true });
        for (const [file, to] of [
          ['release.txt', 'RELEASE'],
          ['runner.mjs', 'lib/runner.mjs'],
        ] as const)
          copyFileSync(join(fresh.directory, file), join(root, 'releases', fresh.name, to));
      },
      (root, at) => {
        const { name, whole } = currentRelease(root);
        expect(whole, at).toBe(true);
        expect([old.name, fresh.name]).toContain(name);
      },
    );
    expect(points).toBeGreaterThan(4);
  }, 120_000);
});
