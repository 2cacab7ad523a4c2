import { type ChildProcess, type SpawnOptions, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openRegistry } from '../../../infra/local/processes.ts';
import type { CommandDocument } from '../../../infra/local/ssm-document.ts';
import { type DocumentEnd, type Download, runDocument } from '../../../infra/local/ssm-steps.ts';

const suite = 'bookworm';
const base = resolve('.local/debian', suite);
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Makes the root once; half a minute. A root that cannot be made fails the tests that need it. */
function makeRoot(): void {
  if (existsSync(base)) return;
  const draft = `${base}.${process.pid}`;
  mkdirSync(resolve(base, '..'), { recursive: true });
  const made = spawnSync('debootstrap', ['--variant=minbase', suite, draft], {
    encoding: 'utf8',
    env: { PATH: path.slice('PATH='.length), LANG: 'C.UTF-8' },
  });
  if (made.status !== 0) {
    rmSync(draft, { recursive: true, force: true });
    const said = `${made.stdout ?? ''}${made.stderr ?? ''}${made.error ?? ''}`
      .trim()
      .split('\n')
      .slice(-5)
      .join('\n');
    throw new Error(`debootstrap could not make a Debian root; the distribution must be reachable:\n${said}`);
  }
  for (const folder of ['small', 'var/lib/amazon']) mkdirSync(join(draft, folder), { recursive: true });
  renameSync(draft, base);
}

/** What is mounted where; the root itself stays as debootstrap made it. */
const mounts = `set -e
mount -t proc proc "$1/proc"
mount --bind "$2/opt" "$1/opt"
mount --bind "$2/agent" "$1/var/lib/amazon"
mount -t tmpfs tmpfs "$1/tmp"
mount -t tmpfs -o size=96m tmpfs "$1/small"
echo mounted
exec sleep 3600`;

/**
 * A Debian 12 of nothing but its base packages, as a host: /opt and the agent's directory are its own and empty. Its
 * mounts are those of one process and go with it.
 */
export async function openDebianRoot() {
  makeRoot();
  const work = mkdtempSync(join(tmpdir(), 'holdfast-debian-'));
  for (const folder of ['opt', 'agent']) mkdirSync(join(work, folder));
  const registry = openRegistry(join(work, 'processes'));
  const script = ['-c', mounts, 'sh', base, work];
  const keeper = registry.start(
    'debian root',
    'unshare',
    ['--mount', '--propagation', 'private', '/bin/sh', ...script],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  await new Promise<void>((done, failed) => {
    let said = '';
    keeper.stderr?.on('data', (text) => (said += text));
    keeper.stdout?.once('data', () => done());
    keeper.once('exit', () => failed(new Error(`the mounts of the Debian root failed: ${said}`)));
  });
  const inside = (args: readonly string[], environment: readonly string[], cwd = '/') => [
    `--mount=/proc/${keeper.pid}/ns/mnt`,
    'chroot',
    base,
    '/usr/bin/env',
    '-i',
    `--chdir=${cwd}`,
    ...environment,
    ...args,
  ];
  /** Paths of the agent's directory as the inside knows them. */
  const agent = (text: string) => text.replace(join(work, 'agent'), '/var/lib/amazon');
  let extra: readonly string[] = [];
  const hostRegistry = {
    ...registry,
    start: (
      name: string,
      command: string,
      args: readonly string[],
      { cwd, env, stdio }: SpawnOptions = {},
    ): ChildProcess => {
      // As the agent sets it, but for what stands for the machine on local hosts: this one has a root of its own.
      const given = Object.entries(env ?? {})
        .filter(([variable]) => variable !== 'HOLDFAST_ROOT')
        .map(([variable, value]) => `${variable}=${value}`);
      const all = inside([command, ...args.map(agent)], [...given, ...extra], agent(String(cwd)));
      return registry.start(name, 'nsenter', all, { stdio });
    },
  };
  return {
    /** /opt of the host, from outside. */
    opt: join(work, 'opt'),
    registry,
    /** Runs a command inside to its end. */
    run: (command: string, ...args: string[]) =>
      spawnSync('nsenter', inside([command, ...args], [path]), { encoding: 'utf8' }),
    /** Starts a command inside. */
    start: (command: string, ...args: string[]) =>
      registry.start(command, 'nsenter', inside([command, ...args], [path])),
    /** Runs a document as the agent would, with what else its environment shall hold. */
    command: async (
      document: CommandDocument,
      values: Record<string, string>,
      download: Download,
      environment: readonly string[] = [],
    ): Promise<DocumentEnd> => {
      extra = environment;
      try {
        const host = { hostId: 'mi-debian', root: join(work, 'agent') };
        const run = { id: randomUUID(), region: 'eu-central-1', registry: hostRegistry, download };
        return await runDocument(host, document, values, run).end;
      } finally {
        extra = [];
      }
    },
    close: async () => {
      await registry.stopAll();
      // Nothing of it is mounted out here; if something were, it would not be removed.
      if (readdirSync(join(base, 'opt')).length === 0) rmSync(work, { recursive: true, force: true });
    },
  };
}

export type DebianRoot = Awaited<ReturnType<typeof openDebianRoot>>;
