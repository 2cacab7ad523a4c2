import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the runner is measured against: a command that reads a stream from its stdin, and what a person should know. */
export type Rival = {
  name: string;
  /** The name in a measure's name. */
  slug: string;
  version: string;
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** What its flags do not show. */
  note?: string;
};

/** What all uploaders get, the runner as well. */
export type UploadSettings = { partBytes: number; concurrency: number; expectedBytes: number };

/** A program each and the Debian package that brings it. */
const packageOfProgram = { rclone: 'rclone', zstd: 'zstd', 'mariadb-binlog': 'mariadb-client' };

/** Installs what is missing of the rivals; the AWS CLI comes with the emulator. */
export function installRivals(say: (line: string) => void): void {
  const missing = Object.entries(packageOfProgram)
    .filter(([program]) => spawnSync(program, ['--version']).error !== undefined)
    .map(([, name]) => name);
  if (missing.length === 0) return;
  say(`installing Debian packages: ${missing.join(' ')}`);
  const args = ['install', '-y', '--no-install-recommends', ...missing];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update'], { env });
  const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed: ${stderr}`);
}

/** Version and flags, for whoever reads the numbers. */
export function tellRival({ name, version, command, note }: Rival, say: (line: string) => void): void {
  say(`${name} is ${version}`);
  say(`  ${command.join(' ')}`);
  if (note !== undefined) say(`  ${note}`);
}

const firstLine = (command: string, ...args: string[]) => {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`);
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
};

const MiB = 1024 ** 2;
const credentials = {
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_REGION: 'eu-central-1',
};

/**
 * `aws s3 cp -`. Over plain HTTP botocore would sign the payload, that is hash it with SHA-256; over HTTPS, as people
 * use it, it does not, so it is told not to here. The CRC of its default integrity protection stays on.
 */
export function awsCp(
  program: string,
  directory: string,
  url: string,
  { partBytes, concurrency, expectedBytes }: UploadSettings,
): Rival {
  mkdirSync(directory, { recursive: true });
  const config = join(directory, 'aws-config');
  const lines = [
    '[default]',
    's3 =',
    `  multipart_threshold = ${partBytes}`,
    `  multipart_chunksize = ${partBytes}`,
    `  max_concurrent_requests = ${concurrency}`,
    '  payload_signing_enabled = false',
    '  addressing_style = path',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const note = lines.slice(2).map((line) => line.trim());
  return {
    name: 'aws s3 cp -',
    slug: 'aws-s3-cp',
    version: firstLine(program, '--version'),
    command: [
      program,
      's3',
      'cp',
      '-',
      's3://backups/rival',
      `--expected-size=${expectedBytes}`,
      `--endpoint-url=${url}`,
      '--only-show-errors',
    ],
    env: { ...credentials, AWS_CONFIG_FILE: config, AWS_EC2_METADATA_DISABLED: 'true' },
    note: `with ${note.join(', ')}`,
  };
}

/** `rclone rcat`. It hashes each part with MD5 and SHA-256, over HTTPS as well: its version has no option against it. */
export function rcloneRcat(url: string, { partBytes, concurrency }: UploadSettings): Rival {
  return {
    name: 'rclone rcat',
    slug: 'rclone-rcat',
    version: firstLine('rclone', 'version'),
    command: [
      'rclone',
      'rcat',
      ':s3:backups/rival',
      '--config=',
      '--s3-provider=Other',
      '--s3-env-auth',
      `--s3-endpoint=${url}`,
      '--s3-no-check-bucket',
      `--s3-chunk-size=${partBytes / MiB}Mi`,
      `--s3-upload-concurrency=${concurrency}`,
    ],
    env: credentials,
  };
}

/** `zstd -1` from stdin to stdout; its content checksum is on by default. */
export function zstdCli(level: number): Rival {
  return {
    name: `zstd -${level}`,
    slug: 'zstd',
    version: firstLine('zstd', '--version'),
    command: ['zstd', `-${level}`, '--check', '-q', '-c'],
    env: {},
  };
}
