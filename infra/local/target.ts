import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installRunnerDocument } from '../hosts/install-runner-document.ts';
import { runJobDocument } from '../hosts/run-job-document.ts';
import { type Names, namesOf } from '../names.ts';
import { parseSettings, type Settings } from '../settings.ts';
import { type AccountClients, accountClients } from './account-clients.ts';
import { deployStacks } from './deploy.ts';
import { type Emulator, startEmulator } from './emulator.ts';
import { installRunners, releaseOfTemplate } from './install-runners.ts';
import { createLocalHosts, type LocalHosts } from './local-hosts.ts';
import { localSettings } from './local-settings.ts';
import { type LocalPaths, localPaths, makeLocalDirectories } from './paths.ts';
import type { ProcessRegistry } from './processes.ts';
import { parseDocument } from './ssm-document.ts';
import { type SsmEndpoint, startSsmEndpoint } from './ssm-endpoint.ts';
import { freePort } from './wait.ts';

/** The whole of holdfast on one machine: stacks deployed to the emulator, three hosts under the SSM endpoint. */
export type LocalTarget = {
  paths: LocalPaths;
  settings: Settings;
  names: Names;
  emulator: Emulator;
  ssm: SsmEndpoint;
  hosts: LocalHosts;
  clients: AccountClients;
  cdkLog: string;
  /** Stops the SSM endpoint and the emulator; database servers belong to who started them. */
  stop(): Promise<void>;
};

/** Removes what an earlier target of the same purpose left, starts everything anew and deploys. */
export async function startTarget(input: {
  purpose: string;
  registry: ProcessRegistry;
  auth?: boolean;
  /** More variables for the emulator. */
  environment?: Record<string, string>;
  say: (line: string) => void;
}): Promise<LocalTarget> {
  const { purpose, registry, say } = input;
  const paths = localPaths(purpose);
  rmSync(paths.run, { recursive: true, force: true });
  rmSync(paths.emulatorState, { recursive: true, force: true });
  makeLocalDirectories(paths);
  // Lambdas inherit the emulator's environment, and with it the way to the endpoint that runs commands.
  const ssmPort = await freePort();
  const emulator = await startEmulator({
    program: paths.emulator,
    nodeBin: paths.nodeBin,
    stateDir: paths.emulatorState,
    registry,
    environment: { AWS_ENDPOINT_URL_SSM: `http://127.0.0.1:${ssmPort}`, ...input.environment },
    ...(input.auth ? { auth: true } : {}),
  });
  const ssm = await startSsmEndpoint({ emulator, registry, port: ssmPort });
  say(`emulator at ${emulator.endpoint}, SSM endpoint at ${ssm.endpoint}`);
  const at = { account: emulator.accountId, region: emulator.region };
  const settings = parseSettings(localSettings(at));
  const names = namesOf(settings);
  mkdirSync(paths.emulatorState, { recursive: true });
  const settingsFile = join(paths.emulatorState, 'holdfast.json');
  writeFileSync(settingsFile, `${JSON.stringify(localSettings(at), null, 2)}\n`);
  const clients = accountClients(emulator);
  const { cdkLog, assembly } = await deployStacks({
    paths,
    registry,
    emulator,
    s3: clients.s3,
    settings,
    settingsFile,
    say,
  });
  ssm.addDocuments([
    parseDocument(names.document, runJobDocument),
    parseDocument(names.installDocument, installRunnerDocument(settings, names, at)),
  ]);
  say(
    `stacks deployed: ${Object.keys(settings.sites).map(names.siteStack).join(', ')}, ${names.controlStack}, ${settings.hosts.map(names.hostsStack).join(', ')}`,
  );
  const hosts = createLocalHosts({ paths, registry, emulator, ssm, settings });
  const release = releaseOfTemplate(join(assembly, `${names.hostsStack(at)}.template.json`));
  await installRunners({
    endpoint: ssm.endpoint,
    region: at.region,
    hostIds: Object.values(hosts).map(({ hostId }) => hostId),
    document: names.installDocument,
    release,
  });
  say(`runner release ${release.slice(0, 12)}… installed on ${Object.keys(hosts).length} hosts`);
  return {
    paths,
    settings,
    names,
    emulator,
    ssm,
    hosts,
    clients,
    cdkLog,
    stop: async () => {
      await ssm.stop();
      await emulator.stop();
    },
  };
}
