import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import type { SiteRef } from '../contract/records/backup.ts';
import type { RunnerSettings } from '../contract/records/runner-settings.ts';
import type { AgentParts } from './agent/agent.ts';
import { makeArchiver } from './agent/archiver.ts';
import { boundLog } from './agent/bound-log.ts';
import { makeAgentRows } from './agent/rows.ts';
import { makeEngineFor, makeEngines } from './engines/engine-for.ts';
import {
  makeBrokerClient,
  makeIdentityClient,
  makeSecretsClient,
  makeTableClient,
  makeTasksClient,
} from './host/clients.ts';
import { makeClock } from './host/clock.ts';
import { makePrivateDir, makeWorkDir, workRoot as workRootOf } from './host/files.ts';
import { searchPath } from './host/find-command.ts';
import { findIdentity } from './host/identity.ts';
import { takeLockFile } from './host/lock-file.ts';
import { makeRunChild } from './host/run-child.ts';
import { makeReadSecret } from './host/secrets.ts';
import { installRoot, readSettings } from './host/settings.ts';
import { makeStartServer } from './host/start-server.ts';
import { makeAskBroker, makeBrokerCredentials } from './job/broker.ts';
import { defaultIntervals } from './job/intervals.ts';
import { type JobLog, makeJobLog } from './job/log.ts';
import type { SuperviseParts } from './job/supervise.ts';
import type { SweepParts } from './job/sweep.ts';
import { makeTableRows } from './job/table-rows.ts';
import { makeTasks } from './job/tasks.ts';
import { makeWorks } from './job/works.ts';
import type { CredentialsProvider } from './stream/sign.ts';
import { openStore, type Store } from './stream/store.ts';
import { runnerVersion } from './version.ts';

/** Gets of a restore at once: enough to fill 10 Gbit/s from S3, whose single connections give about 90 MB/s. */
const restoreConnections = 8;

type Surroundings = {
  env: Readonly<Record<string, string | undefined>>;
  stop: AbortSignal;
  write: (line: string) => void;
};

/** What every verb needs of this host: its settings, its directories, its engines, a log. */
function onThisHost({ env, write }: Surroundings, fixed: Record<string, string>) {
  const root = installRoot(env);
  const settings = readSettings(root);
  const path = searchPath(settings.path);
  const clock = makeClock();
  const workRoot = workRootOf(settings.workDir);
  makePrivateDir(workRoot);
  const stateDirectory = join(root, 'state');
  const spoolDir = join(root, 'spool');
  for (const directory of [stateDirectory, spoolDir]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  return {
    root,
    settings,
    clock,
    workRoot,
    stateDirectory,
    spoolDir,
    jobLog: makeJobLog({ fixed, now: clock.now, write }),
    runChild: makeRunChild({ path }),
    engines: makeEngines({ stateDirectory, spoolDirectory: spoolDir, startServer: makeStartServer(path) }),
  };
}

/** Puts the parts of one run together from the host's settings and environment; asks the cloud who this host is. */
export async function assemble(jobId: string, given: Surroundings): Promise<SuperviseParts> {
  const { settings, clock, workRoot, spoolDir, jobLog, runChild, engines } = onThisHost(given, { jobId });
  const { region } = settings;
  const { hide, log } = jobLog;
  const { userid, hostId } = await findIdentity(makeIdentityClient(region));

  const ask = makeAskBroker(makeBrokerClient(region), settings.brokerFunction);
  const own = hiding(fromNodeProviderChain({ clientConfig: { region } }), hide);
  const store = (site: SiteRef, credentials: CredentialsProvider, connections: number): Store =>
    openStore({ bucket: site.bucket, region: site.region, credentials, connections, env: given.env, log });

  return {
    hostId,
    runnerVersion,
    rows: makeTableRows(makeTableClient(region, clock), settings.jobsTable, userid),
    tasks: makeTasks(makeTasksClient(region)),
    works: makeWorks(makeEngineFor(engines), {
      backup: {
        openStore: ({ site, plan }) => store(site, own, plan.uploadsInFlight + 1),
        spoolDir,
      },
      restore: {
        credentials: (job) =>
          makeBrokerCredentials({ ask, hostId, jobId, secret: job.secret, now: clock.now, hide, log }),
        openStore: ({ site }, credentials) => store(site, credentials, restoreConnections),
      },
    }),
    runChild,
    readSecret: makeReadSecret(makeSecretsClient(region), hostId, hide),
    clock,
    intervals: defaultIntervals,
    jobLog,
    workRoot,
    stop: given.stop,
  };
}

/** Puts the parts of a sweep together. The cloud is asked only where a server's password is a secret of its. */
export function assembleSweep(given: Surroundings): SweepParts {
  const { settings, workRoot, spoolDir, jobLog, runChild, engines } = onThisHost(given, { verb: 'sweep' });
  const { hide, log } = jobLog;
  return {
    engines: Object.values(engines),
    context: {
      runChild,
      readSecret: readSecretOf(settings, jobLog),
      hide,
      log,
      progress: () => {},
      signal: given.stop,
    },
    workRoot,
    spoolDir,
  };
}

/** Connections of an archiver: one segment is sent at a time. */
const archiveConnections = 2;

/** What a link names now; undefined where there is none, as where the runner was installed by hand. */
const targetOf = (link: string): string | undefined => {
  try {
    return realpathSync(link);
  } catch {
    return undefined;
  }
};

/** Puts the agent's parts together; undefined where another agent of this host lives. */
export async function assembleAgent(
  given: Surroundings,
): Promise<{ parts: AgentParts; close: () => Promise<void> } | undefined> {
  const here = onThisHost(given, { verb: 'agent' });
  const { root, settings, clock, workRoot, stateDirectory, jobLog, runChild } = here;
  const { hide, log } = jobLog;
  // Below the host's own root: work directories of several installations may lie in one place.
  const lock = takeLockFile(stateDirectory, 'agent');
  if (lock === undefined) {
    log('another agent of this host has its work');
    return undefined;
  }
  const { region } = settings;
  const { directory, remove } = makeWorkDir(workRoot, 'agent');
  const close = async () => {
    remove();
    lock.release();
  };
  try {
    const { userid, hostId } = await findIdentity(makeIdentityClient(region));
    const credentials = hiding(fromNodeProviderChain({ clientConfig: { region } }), hide);
    const current = targetOf(join(root, 'current'));
    const parts: AgentParts = {
      runnerVersion,
      rows: makeAgentRows(makeTableClient(region, clock), settings.jobsTable, userid),
      clock,
      log,
      makeArchiver: (order, stored) =>
        makeArchiver(order, {
          hostId,
          runnerVersion,
          clock,
          context: {
            workDir: directory,
            runChild,
            readSecret: makeReadSecret(makeSecretsClient(region), hostId, hide),
            hide,
            log,
            progress: () => {},
            signal: given.stop,
          },
          stateDirectory,
          openStore: ({ site }) =>
            openStore({
              bucket: site.bucket,
              region: site.region,
              credentials,
              connections: archiveConnections,
              env: given.env,
              log,
            }),
          stored,
        }),
      purgeDirectory: join(root, 'purge'),
      boundLog: () => boundLog(join(root, 'log/agent.log')),
      superseded: () => targetOf(join(root, 'current')) !== current,
      signal: given.stop,
    };
    return { parts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const readSecretOf =
  ({ region }: RunnerSettings, { hide }: JobLog) =>
  async (name: string): Promise<string> => {
    const { hostId } = await findIdentity(makeIdentityClient(region));
    return makeReadSecret(makeSecretsClient(region), hostId, hide)(name);
  };

/** No line of the log may hold the host's own credentials either. */
function hiding(provider: CredentialsProvider, hide: (secret: string) => void): CredentialsProvider {
  return async (options) => {
    const credentials = await provider(options);
    hide(credentials.secretAccessKey);
    if (credentials.sessionToken !== undefined) hide(credentials.sessionToken);
    return credentials;
  };
}
