/**
 * Installs what the local target lacks, says so in one line each, and runs the given script with Node 24:
 *   node infra/local/setup.mjs <script> [arguments]
 * Plain JavaScript without dependencies, since it runs before `npm ci` and on any Node from 18 on.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('../..', import.meta.url));
const nodeProgram = join(project, `node_modules/node-linux-${process.arch}/bin/node`);
const venv = join(project, '.local/venv');
const requirements = join(project, 'infra/local/emulator-requirements.txt');

/** A program each that only this Debian package brings. The -core packages start no service of their own. */
const packageOfProgram = {
  python3: 'python3',
  mariadbd: 'mariadb-server-core',
  'mariadb-install-db': 'mariadb-server-core',
  mariadb: 'mariadb-client-core',
  'mariadb-backup': 'mariadb-backup',
  mydumper: 'mydumper',
  zstd: 'zstd',
  debootstrap: 'debootstrap',
  openssl: 'openssl',
  patchelf: 'patchelf',
  shellcheck: 'shellcheck',
};

const programDirectories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}

function run(command, args, environment = {}, cwd = project) {
  const ended = spawnSync(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...environment },
  });
  const output = `${ended.stdout ?? ''}${ended.stderr ?? ''}${ended.error ?? ''}`;
  return { ok: ended.status === 0, output: output.trim().split('\n').slice(-15).join('\n') };
}

function must(command, args, environment, cwd) {
  const ended = run(command, args, environment, cwd);
  if (!ended.ok) fail(`"${[command, ...args].join(' ')}" failed:\n${ended.output}`);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Whether an optional package is the part built for this machine (Debian: glibc). Those that name no machine hang
 * below the parts of others and are left out with them.
 */
function isPartForThisMachine({ os, cpu, libc }) {
  const allows = (list, mine) => !list || list.includes(mine);
  return Boolean(os ?? cpu) && allows(os, 'linux') && allows(cpu, process.arch) && allows(libc, 'glibc');
}

/** Whether node_modules holds every package of the lockfile; npm notes what it installed in its own copy. */
function nodeModulesFitLockfile() {
  const wanted = readJson(join(project, 'package-lock.json'))?.packages;
  const installed = readJson(join(project, 'node_modules/.package-lock.json'))?.packages;
  if (!wanted || !installed || !existsSync(nodeProgram)) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    return found ? found.version === entry.version : entry.optional && !isPartForThisMachine(entry);
  });
}

/**
 * The directory of a Node 24 to run npm with. An npm on an older Node leaves out, without a word, the optional
 * packages that ask for a newer one, native parts of the build tools among them; so Node 24 is fetched first.
 */
function nodeForNpm() {
  if (process.versions.node.startsWith('24.')) return dirname(process.execPath);
  const name = `node-linux-${process.arch}`;
  const version = readJson(join(project, 'package-lock.json'))?.packages[`node_modules/${name}`]?.version;
  if (!version) fail(`the lockfile names no Node for linux ${process.arch}`);
  const prefix = join(project, '.local/node', version);
  const bin = join(prefix, 'node_modules', name, 'bin');
  if (!existsSync(join(bin, 'node'))) {
    say(`fetching Node ${version}, since this is ${process.version}`);
    mkdirSync(prefix, { recursive: true });
    must('npm', [
      'install',
      '--prefix',
      prefix,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      `${name}@${version}`,
    ]);
  }
  return bin;
}

function installNodeModules() {
  if (nodeModulesFitLockfile()) return;
  const path = [nodeForNpm(), process.env.PATH ?? ''].join(delimiter);
  say('installing npm packages (npm ci)');
  must('npm', ['ci', '--ignore-scripts', '--loglevel=error', '--no-audit', '--no-fund'], { PATH: path });
  if (!nodeModulesFitLockfile())
    fail('npm ci ended well, but node_modules does not hold what the lockfile names');
}

function isInstalled(program) {
  return programDirectories.some((directory) => existsSync(join(directory, program)));
}

function venvFits() {
  const mark = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  const path = join(venv, `installed-${mark}`);
  return { fits: existsSync(path) && existsSync(join(venv, 'bin/python3')), path };
}

function installDebianPackages() {
  const missing = new Set(
    Object.entries(packageOfProgram)
      .filter(([program]) => !isInstalled(program))
      .map(([, name]) => name),
  );
  if (
    !venvFits().fits &&
    !(isInstalled('python3') && run('/usr/bin/python3', ['-c', 'import ensurepip']).ok)
  ) {
    missing.add('python3-venv');
  }
  if (missing.size === 0) return;
  const names = [...missing];
  if (!isInstalled('apt-get'))
    fail(`these are missing, and there is no apt-get to install them: ${names.join(' ')}`);
  // Another installation may be at work, as after a machine's start.
  const install = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', ...names];
  if (process.getuid?.() !== 0) fail(`not root; run this first: sudo apt-get ${install.join(' ')}`);
  say(`installing Debian packages: ${names.join(' ')}`);
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
  const update = run('apt-get', ['update'], quiet);
  if (!update.ok) say(`apt-get update failed, trying with the lists that are there:\n${update.output}`);
  must('apt-get', install, quiet);
}

/**
 * The server's plugins as files of their own: their package would bring a service that starts by itself. They lie
 * where servers look for them, since a restored server has no other way to them.
 */
function installServerPlugins() {
  const home = '/usr/lib/mysql/plugin';
  if (existsSync(join(home, 'ha_archive.so'))) return;
  if (process.getuid?.() !== 0)
    fail(`not root; ${home} has to get the plugins of the package mariadb-server`);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a field of dpkg's
  const version = run('dpkg-query', ['-W', '-f=${Version}', 'mariadb-server-core']).output;
  say(`unpacking the plugins of mariadb-server ${version} into ${home}`);
  const directory = join(project, '.local/mariadb-server');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  run('apt-get', ['update']);
  // Else the downloader gives its rights away and needs a directory that everybody may enter.
  const asRoot = ['-o', 'APT::Sandbox::User=root'];
  must('apt-get', ['download', ...asRoot, `mariadb-server=${version}`], {}, directory);
  const [file] = readdirSync(directory);
  must('dpkg-deb', ['--extract', join(directory, file), join(directory, 'files')]);
  cpSync(join(directory, 'files', home), home, { recursive: true });
  rmSync(directory, { recursive: true, force: true });
}

function createDatabaseUser() {
  if (/^mysql:/m.test(readFileSync('/etc/passwd', 'utf8'))) return;
  const create = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'];
  const args = [...create, '--shell', '/usr/sbin/nologin', 'mysql'];
  if (process.getuid?.() !== 0) fail(`not root; run this first: sudo useradd ${args.join(' ')}`);
  say('creating the system user mysql, under which the local database servers run');
  must('/usr/sbin/useradd', args);
}

function installEmulator() {
  const { fits, path } = venvFits();
  if (fits) return;
  say('installing the AWS emulator (MiniStack) into .local/venv');
  rmSync(venv, { recursive: true, force: true });
  mkdirSync(dirname(venv), { recursive: true });
  must('/usr/bin/python3', ['-m', 'venv', venv]);
  must(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
  writeFileSync(path, '');
}

function runScript([script, ...args]) {
  if (!script) fail('no script to run; use npm run demo, npm run local or npm test');
  const path = [dirname(nodeProgram), process.env.PATH ?? '', ...programDirectories].join(delimiter);
  const child = spawn(nodeProgram, [script, ...args], {
    cwd: project,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
  child.on('error', (error) => fail(`cannot start ${nodeProgram}: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (process.platform !== 'linux')
  fail(`the local target needs Linux (Debian 12 or later), this is ${process.platform}`);
installNodeModules();
installDebianPackages();
installServerPlugins();
createDatabaseUser();
installEmulator();
runScript(process.argv.slice(2));
