import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessRegistry } from './processes.ts';
import { freePort, waitUntilReady } from './wait.ts';

export type EmulatorOptions = {
  /** The emulator's program. */
  program: string;
  /** Directory of Node 24: Lambdas run with the `node` that is first on the emulator's PATH. */
  nodeBin: string;
  /** Object bytes, temporary files and the log live here. */
  stateDir: string;
  registry: ProcessRegistry;
  /** 12 digits; credentials with this access key are the account's root. */
  accountId?: string;
  region?: string;
  /** Enforces the policies of roles and sessions. Off, every credential may do everything. */
  auth?: boolean;
  /** Extra variables; Lambdas inherit them. */
  environment?: Record<string, string>;
};

export type Emulator = {
  endpoint: string;
  accountId: string;
  region: string;
  pid: number;
  logFile: string;
  /** What an SDK, the AWS CLI or CDK needs to speak to it as the account's root. */
  environment: Record<string, string>;
  /** SIGTERM, then SIGKILL: with a deployment in flight it closes its port and stays. */
  stop(): Promise<void>;
};

/**
 * Starts the emulator on loopback with a clean environment (its Lambdas inherit all of it) and waits until it
 * answers. Throws `Local.StartFailed` with the end of its log.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const { registry, stateDir } = options;
  const accountId = options.accountId ?? '111122223333';
  const region = options.region ?? 'eu-central-1';
  const port = await freePort();
  const temporary = join(stateDir, 'tmp');
  mkdirSync(temporary, { recursive: true });
  // The emulator's worker for Lambdas is a CommonJS `.js` in there; below our package it would be read as ESM.
  writeFileSync(join(temporary, 'package.json'), '{"type":"commonjs"}');
  const logFile = join(stateDir, 'emulator.log');
  const log = openSync(logFile, 'a');
  const child = registry.start('emulator', options.program, [], {
    cwd: stateDir,
    stdio: ['ignore', log, log],
    env: {
      PATH: `${options.nodeBin}:/usr/local/bin:/usr/bin:/bin`,
      HOME: stateDir,
      TMPDIR: temporary,
      LANG: 'C.UTF-8',
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      MINISTACK_REGION: region,
      MINISTACK_ACCOUNT_ID: accountId,
      S3_PERSIST: '1',
      S3_DATA_DIR: join(stateDir, 's3'),
      LAMBDA_EXECUTOR: 'local',
      ...(options.auth ? { AUTH: 'true' } : {}),
      ...options.environment,
    },
  });
  closeSync(log);
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.once('error', () => {
    ended = true;
  });
  const endpoint = `http://127.0.0.1:${port}`;
  await waitUntilReady(
    'the emulator',
    30_000,
    async () => (await fetch(`${endpoint}/_ministack/ready`)).status === 200,
    { ended: () => ended, detail: () => readFileSync(logFile, 'utf8').slice(-2_000) },
  );
  const pid = child.pid ?? 0;
  return {
    endpoint,
    accountId,
    region,
    pid,
    logFile,
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: accountId,
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    stop: () => registry.stop(pid, 5_000),
  };
}
