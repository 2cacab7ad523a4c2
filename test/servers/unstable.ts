import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { localPaths } from '../../infra/local/paths.ts';

/** One line of servers of another distribution: where its programs are, first on a PATH of system directories. */
export type OtherServer = { path: string; version: string };
export type Unstable = { missing: string } | { missing: null; mysql: OtherServer; mariadb: OtherServer };

/** Asked for by name, whatever versions the suite has by now. */
const packages = [
  'mysql-server-core',
  'mysql-client-core',
  'mariadb-server-core',
  'mariadb-client-core',
  'mariadb-backup',
];
/** Set by the test run, so that not every file asks again for what cannot be had. */
export const missingVariable = 'HOLDFAST_TEST_UNSTABLE_MISSING';
const system = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Downloading is 20 s of it on a fast line. */
const limitMs = 240_000;

/** Packages as they came, so that a machine with this cache needs no network. */
const archives = resolve('.local/debian/unstable');
/** Unpacked where the servers' account may go; a checkout below /root is closed to it. The number is that of the layout. */
const root = join(localPaths('unstable').run, 'root-1');

function must(command: string, args: readonly string[]): string {
  const ended = spawnSync(command, args, { encoding: 'utf8', env: { PATH: system, LANG: 'C.UTF-8' } });
  if (ended.status === 0) return `${ended.stdout}${ended.stderr}`;
  const said = `${ended.stdout ?? ''}${ended.stderr ?? ''}${ended.error?.message ?? ''}`.trim().split('\n');
  throw new Error(`${command} ${args[0]} failed: ${said.slice(-3).join(' | ')}`);
}

/** Lets debootstrap find, fetch and check the packages and what they depend on; nothing of them is run. */
async function download(): Promise<void> {
  if (existsSync(archives)) return;
  mkdirSync(resolve(archives, '..'), { recursive: true });
  const draft = mkdtempSync(`${archives}.`);
  try {
    const args = ['--download-only', '--variant=minbase', `--include=${packages.join(',')}`, 'sid', draft];
    const child = spawn('debootstrap', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: system, LANG: 'C.UTF-8' },
      detached: true,
    });
    let said = '';
    for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (text) => (said += text));
    const ended = Promise.withResolvers<number | null>();
    child.once('error', (error) => {
      said += error.message;
      ended.resolve(null);
    });
    child.once('close', (code) => ended.resolve(code));
    const late = new AbortController();
    const timer = sleep(limitMs, 'late' as const, { signal: late.signal }).catch(() => 'late' as const);
    const code = await Promise.race([ended.promise, timer]);
    late.abort();
    if (code === 'late') {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      throw new Error(`debootstrap took more than ${limitMs / 1000} s`);
    }
    if (code !== 0) throw new Error(`debootstrap: ${said.trim().split('\n').slice(-2).join(' | ')}`);
    const from = join(draft, 'var/cache/apt/archives');
    const kept = mkdtempSync(`${archives}.`);
    for (const name of readdirSync(from).filter((file) => needed.test(file))) {
      renameSync(join(from, name), join(kept, name));
    }
    renameSync(kept, archives);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Servers, tools and libraries. What else a Debian needs to be one (perl, apt, shells) is not unpacked. */
const needed = /^(?:mysql|mariadb|zlib1g|lib(?!perl|pam|apt|systemd-shared))[^/]*\.deb$/;

/** The two lines keep files of the same names, so each has a tree of its own; libraries are shared. */
const treeOf = (name: string) =>
  name.startsWith('mysql-') ? 'mysql' : name.startsWith('mariadb-') ? 'mariadb' : 'lib';

function unpack(): void {
  if (existsSync(root)) return;
  mkdirSync(resolve(root, '..'), { recursive: true });
  chmodSync(resolve(root, '..'), 0o755);
  const draft = mkdtempSync(`${root}.`);
  chmodSync(draft, 0o755);
  for (const name of readdirSync(archives)) {
    must('dpkg-deb', ['--extract', join(archives, name), join(draft, treeOf(name))]);
  }
  for (const tree of ['lib', 'mysql', 'mariadb']) {
    for (const unused of ['doc', 'man', 'locale']) {
      rmSync(join(draft, tree, 'usr/share', unused), { recursive: true, force: true });
    }
  }
  const libraries = join(draft, 'lib/usr/lib');
  const triplet = readdirSync(libraries).find((name) => name.endsWith('-linux-gnu'));
  if (triplet === undefined) throw new Error('the packages of Debian unstable hold no libraries');
  const loader = readdirSync(join(libraries, triplet)).find((name) => name.startsWith('ld-linux'));
  // Programs start with their own loader and libraries: this machine's are years older.
  const linking = [
    '--set-interpreter',
    join(root, 'lib/usr/lib', triplet, loader ?? ''),
    '--force-rpath',
    '--set-rpath',
    join(root, 'lib/usr/lib', triplet),
  ];
  for (const directory of ['mysql/usr/sbin', 'mysql/usr/bin', 'mariadb/usr/sbin', 'mariadb/usr/bin']) {
    for (const entry of readdirSync(join(draft, directory), { withFileTypes: true })) {
      const program = join(draft, directory, entry.name);
      if (entry.isFile() && isElf(program)) must('patchelf', [...linking, program]);
    }
  }
  wrapMariadb(draft);
  try {
    renameSync(draft, root);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another run has put the same there meanwhile.
    if (!existsSync(root)) throw error;
  }
}

function isElf(path: string): boolean {
  const magic = Buffer.alloc(4);
  const file = openSync(path, 'r');
  readSync(file, magic, 0, 4, 0);
  closeSync(file);
  return magic.toString('latin1') === '\x7fELF';
}

/** MariaDB's programs look for messages and plugins below /usr, where this machine's own server has others. */
function wrapMariadb(draft: string): void {
  const base = join(root, 'mariadb/usr');
  const bin = join(draft, 'mariadb/bin');
  mkdirSync(bin);
  const wrap = (name: string, program: string, args: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${program} ${args}\n`, { mode: 0o755 });
  };
  const messages = `"$@" --lc-messages-dir=${base}/share/mariadb --character-sets-dir=${base}/share/mariadb/charsets`;
  wrap('mariadbd', `${base}/sbin/mariadbd`, `${messages} --plugin-dir=${base}/lib/mysql/plugin`);
  wrap('mariadb-install-db', `${base}/bin/mariadb-install-db`, `"$@" --basedir=${base}`);
}

function versionOf(program: string): string {
  return /\d+\.\d+\.\d+/.exec(must(program, ['--version']))?.[0] ?? '';
}

function found(): Unstable {
  const at = (...directories: string[]) => [...directories.map((name) => join(root, name)), system].join(':');
  return {
    missing: null,
    mysql: {
      path: at('mysql/usr/sbin', 'mysql/usr/bin'),
      version: versionOf(join(root, 'mysql/usr/sbin/mysqld')),
    },
    mariadb: {
      path: at('mariadb/bin', 'mariadb/usr/bin'),
      version: versionOf(join(root, 'mariadb/usr/sbin/mariadbd')),
    },
  };
}

let made: Promise<Unstable> | undefined;

/**
 * MySQL and a newer MariaDB, unpacked from Debian unstable; made once per machine, half a minute. Where the
 * distribution cannot be reached the answer says so, and the tests that need it are skipped and counted.
 */
export function unstable(): Promise<Unstable> {
  made ??= (async () => {
    const known = process.env[missingVariable];
    if (known !== undefined) return { missing: known };
    try {
      await download();
      unpack();
    } catch (error) {
      return { missing: `Debian unstable cannot be had: ${(error as Error).message}` };
    }
    return found();
  })();
  return made;
}
