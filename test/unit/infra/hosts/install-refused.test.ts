import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkedNode, type SmallRelease, smallRelease } from '../../../doubles/runner-release.ts';
import { currentRelease, type Host, installDocument, makeHost } from './installing.ts';

let host: Host;
beforeEach(() => {
  host = makeHost();
});
afterEach(() => host.close());

const at = (...path: string[]) => join(host.root, ...path);

describe('what is refused, with the old release left as it is', () => {
  let old: SmallRelease;
  beforeEach(async () => {
    old = smallRelease(host.work, 'old');
    await host.install(old);
  });

  async function refused(attempt: ReturnType<Host['install']>, said: RegExp): Promise<void> {
    const { status, exitCode, stderr } = await attempt;
    expect(stderr).toMatch(said);
    expect({ status, exitCode }).toEqual({ status: 'Failed', exitCode: 1 });
    expect(currentRelease(host.root)).toEqual({ name: old.name, whole: true });
    expect(readdirSync(at('releases'))).toEqual([old.name]);
  }

  it.each(['release.txt', 'runner.mjs', 'holdfast-launch', `node-${process.arch}.gz`])(
    'a %s that was changed on its way',
    async (changed) => {
      const spoil = (file: string, path: string) => {
        if (file === changed) appendFileSync(path, 'x');
      };
      await refused(
        host.install(smallRelease(host.work, 'new'), spoil),
        /^holdfast: .* has the SHA-256 [0-9a-f]{64}.*; what was installed is left as it is\nholdfast: this host has releases\/[0-9a-f]{64}, not [0-9a-f]{64}\n$/,
      );
    },
  );

  it('a Node that the list does not name', async () => {
    const release = smallRelease(host.work, 'new', { architectures: [] });
    for (const architecture of ['x64', 'arm64'])
      writeFileSync(join(release.directory, `node-${architecture}.gz`), '');
    await refused(host.install(release), /node-.*\.gz of release .* which its list does not name/);
  });

  it('a release that is not in the bucket, after its download and without a second error', async () => {
    const release = { ...smallRelease(host.work, 'new'), directory: '/nowhere' };
    await refused(
      host.install(release),
      /^Download-release-txt: .*no such file.*\nholdfast: this host has .*\n$/,
    );
  });

  it('a step that was killed, though the agent takes it for one that found nothing to do', async () => {
    const killed = makeHost(installDocument(['x64', 'arm64'], { UseInstalledRelease: 'kill -9 $$' }));
    try {
      const release = smallRelease(killed.work, 'new');
      const { status, stderr } = await killed.install(release);
      expect(stderr).toBe(`holdfast: this host has no release, not ${release.name}\n`);
      expect(status).toBe('Failed');
    } finally {
      killed.close();
    }
  });

  it('a Node that does not start here', async () => {
    await refused(
      host.install(smallRelease(host.work, 'new', { node: '\x7fELF of another machine' })),
      /the runner of release [0-9a-f]{64} does not start on this host: .*Exec format error/,
    );
  });

  it('a runner that does not start', async () => {
    const release = smallRelease(host.work, 'new', { node: linkedNode, runner: 'throw new Error("broken")' });
    await refused(host.install(release), /does not start on this host: [\s\S]*broken/);
  });

  it('an architecture that the settings leave out, before anything is downloaded', async () => {
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    const strange = makeHost(installDocument([other]));
    try {
      const release = smallRelease(strange.work, 'new');
      const { status, stderr } = await strange.install(release);
      expect(status).toBe('Failed');
      expect(stderr).toContain(`release ${release.name} is for ${other}, this host is `);
      expect(strange.downloaded).toEqual([]);
    } finally {
      strange.close();
    }
  });
});

describe('what a host lacks', () => {
  it('is named before anything is downloaded', () => {
    const { mainSteps } = installDocument().content;
    const step = mainSteps.find(({ name }) => name === 'CheckHost');
    const script = step?.action === 'aws:runShellScript' ? step.inputs.runCommand.join('\n') : '';
    const bin = join(host.work, 'bin');
    mkdirSync(bin);
    for (const program of ['uname', 'df', 'mkdir', 'chmod', 'gzip', 'sha256sum'])
      spawnSync('ln', ['-s', `/usr/bin/${program}`, join(bin, program)]);
    const check = () =>
      spawnSync('/usr/bin/dash', ['-c', script], {
        env: { PATH: bin, HOLDFAST_ROOT: host.root },
        encoding: 'utf8',
      });
    expect(check()).toMatchObject({ status: 1, stderr: expect.stringContaining('flock is missing') });
    writeFileSync(join(bin, 'flock'), '');
    chmodSync(join(bin, 'flock'), 0o755);
    expect(check()).toMatchObject({ status: 0, stderr: '' });
    // The look for systemd answered yes, and a systemctl of ours.
    const withSystemd = script.replace('-d /run/systemd/system', '-d /');
    for (const [version, status] of [
      ['systemd 239 (239-82.el8)', 1],
      ['systemd 252 (252.39-1~deb12u1)', 0],
      ['systemd 255.4-1ubuntu8', 0],
      ['no word of it', 1],
    ] as const) {
      writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho '${version}'\necho +PAM\n`, { mode: 0o755 });
      const found = spawnSync('/usr/bin/dash', ['-c', withSystemd], {
        env: { PATH: bin, HOLDFAST_ROOT: host.root },
        encoding: 'utf8',
      });
      expect(found.status, version).toBe(status);
      if (status === 1) expect(found.stderr).toContain('243 or newer is needed');
    }
    rmSync(join(bin, 'df'));
    writeFileSync(join(bin, 'df'), '#!/bin/sh\necho head\necho "/dev/x 999999 800000 1024 99% /"\n', {
      mode: 0o755,
    });
    expect(check()).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/has 1 MiB free, release .* needs 128 MiB/),
    });
  });
});
