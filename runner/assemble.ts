import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import type { SiteRef } from '../contract/records/backup.ts';
import { makeEngineFor } from './engines/engine-for.ts';
import {
  makeBrokerClient,
  makeIdentityClient,
  makeSecretsClient,
  makeTableClient,
  makeTasksClient,
} from './host/clients.ts';
import { makeClock } from './host/clock.ts';
import { makePrivateDir, workRoot } from './host/files.ts';
import { searchPath } from './host/find-command.ts';
import { findIdentity } from './host/identity.ts';
import { makeRunChild } from './host/run-child.ts';
import { makeReadSecret } from './host/secrets.ts';
import { installRoot, readSettings } from './host/settings.ts';
import { makeStartServer } from './host/start-server.ts';
import { makeAskBroker, makeBrokerCredentials } from './job/broker.ts';
import { defaultIntervals } from './job/intervals.ts';
import { makeJobLog } from './job/log.ts';
import type { SuperviseParts } from './job/supervise.ts';
import { makeTableRows } from './job/table-rows.ts';
import { makeTasks } from './job/tasks.ts';
import { makeWorks } from './job/works.ts';
import type { CredentialsProvider } from './stream/sign.ts';
import { openStore, type Store } from './stream/store.ts';
import { runnerVersion } from './version.ts';

/** Gets of a restore at once: enough to fill 10 Gbit/s from S3, whose single connections give about 90 MB/s. */
const restoreConnections = 8;

/** Puts the parts of one run together from the host's settings and environment; asks the cloud who this host is. */
export async function assemble(
  jobId: string,
  {
    env,
    stop,
    write,
  }: {
    env: Readonly<Record<string, string | undefined>>;
    stop: AbortSignal;
    write: (line: string) => void;
  },
): Promise<SuperviseParts> {
  const root = installRoot(env);
  const settings = readSettings(root);
  const { region } = settings;
  const path = searchPath(settings.path);
  const clock = makeClock();
  const jobLog = makeJobLog({ fixed: { jobId }, now: clock.now, write });
  const { hide, log } = jobLog;
  const { userid, hostId } = await findIdentity(makeIdentityClient(region));
  const work = workRoot(settings.workDir);
  makePrivateDir(work);
  const stateDirectory = join(root, 'state');
  const spoolDir = join(root, 'spool');
  for (const directory of [stateDirectory, spoolDir]) mkdirSync(directory, { recursive: true, mode: 0o700 });

  const ask = makeAskBroker(makeBrokerClient(region), settings.brokerFunction);
  const own = hiding(fromNodeProviderChain({ clientConfig: { region } }), hide);
  const store = (site: SiteRef, credentials: CredentialsProvider, connections: number): Store =>
    openStore({ bucket: site.bucket, region: site.region, credentials, connections, env, log });

  return {
    hostId,
    runnerVersion,
    rows: makeTableRows(makeTableClient(region, clock), settings.jobsTable, userid),
    tasks: makeTasks(makeTasksClient(region)),
    works: makeWorks(makeEngineFor({ stateDirectory, startServer: makeStartServer(path) }), {
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
    runChild: makeRunChild({ path }),
    readSecret: makeReadSecret(makeSecretsClient(region), hostId, hide),
    clock,
    intervals: defaultIntervals,
    jobLog,
    workRoot: work,
    stop,
  };
}

/** No line of the log may hold the host's own credentials either. */
function hiding(provider: CredentialsProvider, hide: (secret: string) => void): CredentialsProvider {
  return async (options) => {
    const credentials = await provider(options);
    hide(credentials.secretAccessKey);
    if (credentials.sessionToken !== undefined) hide(credentials.sessionToken);
    return credentials;
  };
}
