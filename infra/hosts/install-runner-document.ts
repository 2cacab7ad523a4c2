import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { type Names, partitionOf } from '../names.ts';
import { runnerSettingsOf } from '../runner-settings.ts';
import type { Place, Settings } from '../settings.ts';
import { releaseFiles } from './build-release.ts';
import { releaseKey } from './runner-release.ts';

const scripts = join(import.meta.dirname, 'install');
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const linux = { precondition: { StringEquals: ['platformType', 'Linux'] } };
/** Put into the text by the agent: its pattern holds it harmless, and a source to download knows no variables. */
const release = '{{ Release }}';

/** A step that runs the given scripts one after the other, in one shell, with these variables set before them. */
function shell(
  name: string,
  variables: Readonly<Record<string, string>>,
  files: readonly string[],
  inputs: { timeoutSeconds: string; onFailure?: 'exit' | 'successAndExit'; finallyStep?: true },
) {
  const set = Object.entries(variables).map(([variable, value]) => `${variable}=${quoted(value)}`);
  const text = files.flatMap((file) => readFileSync(join(scripts, file), 'utf8').trimEnd().split('\n'));
  return {
    action: 'aws:runShellScript',
    name,
    ...linux,
    inputs: { ...inputs, runCommand: [...set, ...text] },
  };
}

/**
 * Installs a release of the runner on a host, or goes back to one that is there. The agent would go on after a step
 * that failed, hence `onFailure`; the first step fails where nothing is left to do, and so nothing is downloaded each
 * time the association looks. A shell that is killed there looks the same to the agent, so the last step confirms what
 * came of it all. Files are downloaded by the agent, since a host need not have the AWS CLI.
 */
export function installRunnerDocument(settings: Settings, names: Names, place: Place) {
  const { architectures } = settings.runner;
  const suffix = partitionOf(place.region) === 'aws-cn' ? '.cn' : '';
  const bucket = `https://s3.${place.region}.amazonaws.com${suffix}/${names.assetBucket(place)}`;
  const own = { release, settings: JSON.stringify(runnerSettingsOf(settings, names)) };
  return {
    schemaVersion: '2.2',
    description: 'Installs a release of the holdfast runner beside the earlier ones and makes it current',
    parameters: {
      Release: {
        type: 'String',
        description: 'Name of the release: the SHA-256 of the list of its files',
        allowedPattern: '^[0-9a-f]{64}$',
      },
    },
    mainSteps: [
      shell('UseInstalledRelease', own, ['host.sh', 'arch.sh', 'release.sh', 'use-installed.sh'], {
        timeoutSeconds: '300',
        onFailure: 'successAndExit',
      }),
      shell(
        'CheckHost',
        { release, architectures: architectures.join(' ') },
        ['host.sh', 'arch.sh', 'room.sh', 'check-host.sh'],
        { timeoutSeconds: '60', onFailure: 'exit' },
      ),
      ...releaseFiles(architectures).map((file) => ({
        action: 'aws:downloadContent',
        name: `Download-${file.replaceAll('.', '-')}`,
        ...linux,
        inputs: {
          sourceType: 'S3',
          sourceInfo: JSON.stringify({ path: `${bucket}/${releaseKey(release, file)}` }),
          destinationPath: file,
          onFailure: 'exit',
        },
      })),
      shell('InstallRelease', own, ['host.sh', 'arch.sh', 'room.sh', 'release.sh', 'install.sh'], {
        timeoutSeconds: '600',
        onFailure: 'exit',
      }),
      shell('ConfirmRelease', { release }, ['host.sh', 'confirm.sh'], {
        timeoutSeconds: '60',
        finallyStep: true,
      }),
    ],
  };
}

/** The document in one account and region; a change makes a new version, which becomes the default. */
export class InstallRunnerDocument extends Construct {
  constructor(scope: Construct, id: string, props: { settings: Settings; names: Names; place: Place }) {
    super(scope, id);
    const { settings, names, place } = props;
    new CfnDocument(this, 'Document', {
      name: names.installDocument,
      documentType: 'Command',
      documentFormat: 'JSON',
      targetType: '/',
      updateMethod: 'NewVersion',
      content: installRunnerDocument(settings, names, place),
    });
  }
}
