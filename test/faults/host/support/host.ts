import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestKey } from '../../../../contract/layout.ts';
import type { BackupOrder, JobRow } from '../../../../contract/records/job.ts';
import { startEmulator } from '../../../../infra/local/emulator.ts';
import type { MariadbServer } from '../../../../infra/local/mariadb.ts';
import { localPaths, makeLocalDirectories } from '../../../../infra/local/paths.ts';
import { openRegistry } from '../../../../infra/local/processes.ts';
import { installTool } from '../../../doubles/mariadb-backup/misbehaviour.ts';
import { startS3Server } from '../../../doubles/s3-server.ts';
import { startStepFunctions } from '../../../doubles/step-functions.ts';
import { installRunner } from '../../../journeys/support/install-runner.ts';
import { startPair } from '../../../journeys/support/mariadb-pair.ts';
import { backupOrderFor, memberOf, policy } from '../../../journeys/support/mysql-jobs.ts';
import { quietRoot } from '../../../journeys/support/quiet-root.ts';
import { clusterId, createTables, makeControl, site } from './control.ts';
import { startHold } from './hold.ts';

export const hostId = 'mi-0abc';

export type HostOptions = {
  name: string;
  /** The double of mariadb-backup before the real one. */
  tool: 'double' | 'real';
};

/**
 * A host with the bundled runner, a primary and a replica that are real MariaDB servers, a store, Step Functions'
 * callbacks and a control plane over the emulator's tables. `job` runs a backup there from its order to its end.
 */
export async function startHost({ name, tool: which }: HostOptions) {
  const paths = localPaths(`faults-${name}`);
  rmSync(paths.emulatorState, { recursive: true, force: true });
  makeLocalDirectories(paths);
  const registry = openRegistry(paths.pids);
  const before = { ...process.env };
  const root = mkdtempSync(join(tmpdir(), `holdfast-host-${name}-`));
  chmodSync(root, 0o755);
  registry.watchRoot(`host ${name}`, root);
  const [emulator, pair, s3, tasks] = await Promise.all([
    startEmulator({
      program: paths.emulator,
      nodeBin: paths.nodeBin,
      stateDir: paths.emulatorState,
      registry,
    }),
    startPair(name),
    startS3Server(),
    startStepFunctions(),
  ]);
  Object.assign(process.env, emulator.environment, { AWS_ENDPOINT_URL_SFN: tasks.endpoint });
  const hold = await startHold(s3.url);
  await createTables();
  const tool = installTool(join(root, 'double'));
  const userid = await installRunner({
    root,
    emulator,
    hostId,
    environment: { AWS_ENDPOINT_URL_S3: hold.url, AWS_ENDPOINT_URL_SFN: tasks.endpoint },
    path: which === 'double' ? [tool.directory] : [],
  });

  /** What the agent that launches has in its environment beside. */
  const agent: Record<string, string> = {};
  const launchNow = (jobId: string) =>
    spawnSync('/bin/sh', [join(root, 'bin/holdfast-launch'), jobId], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOLDFAST_ROOT: root, ...agent },
      encoding: 'utf8',
    });
  let byHand = false;
  const control = makeControl({
    userid,
    hostId,
    s3,
    tasks,
    launch: async ({ jobId }) => {
      if (byHand) return { outcome: 'launched' };
      const { status, stderr } = launchNow(jobId);
      return status === 0 ? { outcome: 'launched' } : { outcome: 'failed', cause: stderr };
    },
  });
  await control.register();
  for (const server of [pair.primary, pair.replica])
    await pair.sql(server, 'SET sql_log_bin=0', 'CREATE DATABASE probe', 'CREATE TABLE probe.t (n INT)');

  const logOf = (jobId: string) => {
    const file = join(root, `log/${jobId}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };

  /** Waits until nothing of this host's runs any more; where something does for too long, the job's log says why. */
  const quiet = (jobId: string) =>
    quietRoot(root).catch((error: Error) => {
      throw new Error(`${error.message}\n${logOf(jobId)}`);
    });

  /** The runner as the launcher starts it, as a child of the test. */
  const startRunner = (jobId: string) => {
    const lines = readFileSync(join(root, 'etc/environment'), 'utf8').trim().split('\n');
    const environment = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const child = spawn(join(root, 'bin/node'), [join(root, 'lib/runner.mjs'), 'run', jobId], {
      env: { ...environment, HOLDFAST_ROOT: root },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    let log = '';
    child.stdout.on('data', (bytes) => {
      log += bytes;
    });
    return {
      pid: child.pid!,
      ended: once(child, 'close').then(([code, signal]) => ({ code, signal, log })),
    };
  };

  const applies = async () =>
    (await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS'))[0]?.Slave_SQL_Running === 'Yes';

  let jobs = 0;
  return {
    root,
    pair,
    s3,
    hold,
    tasks,
    tool,
    control,
    registry,
    agent,
    logOf,
    quiet,
    startRunner,
    applies,
    /** A backup order of one member, small enough that many volumes go up. */
    orderOf: (server: MariadbServer, changes: Partial<BackupOrder> = {}): BackupOrder => {
      const plain = backupOrderFor(memberOf(server), { clusterId, site, backupId: `b-${name}-${++jobs}` });
      return {
        ...plain,
        plan: { ...plain.plan, volumeBytes: 128 * 1024, frameBytes: 64 * 1024 },
        ...changes,
      };
    },
    policy,
    /** Orders a backup and waits until its runner and the sweep after it are gone. Answers its row as they left it. */
    run: async (order: BackupOrder): Promise<{ jobId: string; row: JobRow; log: string }> => {
      const jobId = order.backupId.replace('b-', 'j-');
      await control.order(jobId, order);
      await quiet(jobId);
      return { jobId, row: await control.row(jobId), log: logOf(jobId) };
    },
    /** Orders a backup whose runner the test starts itself. */
    orderByHand: async (order: BackupOrder): Promise<string> => {
      const jobId = order.backupId.replace('b-', 'j-');
      byHand = true;
      await control.order(jobId, order).finally(() => {
        byHand = false;
      });
      return jobId;
    },
    /** Lets the runner's spool lie there, by a link in its place; undefined brings back its own. */
    useSpool: (directory: string | undefined) => {
      rmSync(join(root, 'spool'), { recursive: true, force: true });
      if (directory !== undefined) symlinkSync(directory, join(root, 'spool'));
      else mkdirSync(join(root, 'spool'), { mode: 0o700 });
    },
    /** The execution of a job is over and Reconcile has passed: what they held is free. */
    settle: async (jobId: string, minutes = 0) => {
      control.closed(jobId);
      return control.reconcile(minutes);
    },
    manifestOf: (order: BackupOrder) => s3.objects.get(manifestKey(order)),
    /** What is left on the host: files that only a running job has. */
    leftFiles: () => [
      ...readdirSync(join(root, 'work')),
      ...readdirSync(join(root, 'spool')),
      ...(existsSync(join(root, 'state/applier')) ? readdirSync(join(root, 'state/applier')) : []),
    ],
    /** Whether a backup lock can be had and a commit goes through; what waits for a second is refused by the server. */
    unlocked: async (server: MariadbServer): Promise<boolean> => {
      const started = performance.now();
      await pair.sql(
        server,
        'SET lock_wait_timeout=1',
        'BACKUP STAGE START',
        'BACKUP STAGE BLOCK_COMMIT',
        'BACKUP STAGE END',
        'SET sql_log_bin=0',
        'INSERT INTO probe.t VALUES (1)',
      );
      return performance.now() - started < 10_000;
    },
    close: async () => {
      await registry.stopAll();
      await pair.close();
      await hold.stop();
      await s3.stop();
      await tasks.stop();
      for (const key of Object.keys(process.env)) if (!(key in before)) delete process.env[key];
      Object.assign(process.env, before);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export type Host = Awaited<ReturnType<typeof startHost>>;
