import { join } from 'node:path';
import { CfnOutput, FileAssetPackaging, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import type { Place, Settings } from '../settings.ts';
import { type Release, releaseFiles } from './build-release.ts';

/** Key of a file of a release in the bootstrap's bucket. */
export const releaseKey = (release: string, file: string) => `${release}-${file}`;

/** Stands for a release that is not built because its stack is not deployed. */
const unbuilt = '0'.repeat(64);

/**
 * The release that the hosts of a place get: what this checkout builds, stored in the bootstrap's bucket under the
 * release's name, or an earlier one that the settings name and that is there already. What a host fetches it checks
 * against that name, so nobody who can write to the bucket can change what is installed.
 */
export class RunnerRelease extends Construct {
  readonly name: string;

  constructor(
    scope: Construct,
    id: string,
    props: { settings: Settings; names: Names; place: Place; build: () => Release },
  ) {
    super(scope, id);
    const { settings, names, place, build } = props;
    const stack = Stack.of(this);
    if (settings.runner.release !== undefined) this.name = settings.runner.release;
    else if (!stack.bundlingRequired) this.name = unbuilt;
    else {
      const release = build();
      this.name = release.name;
      for (const file of releaseFiles(settings.runner.architectures)) {
        const key = releaseKey(release.name, file);
        const stored = stack.synthesizer.addFileAsset({
          fileName: join(release.folder, file),
          packaging: FileAssetPackaging.FILE,
          sourceHash: file.includes('.') ? key.slice(0, key.lastIndexOf('.')) : key,
        });
        if (stored.objectKey !== key)
          throw new Error(`${file} would be stored as ${stored.objectKey}, hosts would look for ${key}`);
      }
    }
    // `cdk gc` keeps what a deployed template names, by the key up to its first dot.
    const keys = releaseFiles(settings.runner.architectures).map((file) => releaseKey(this.name, file));
    stack.addMetadata('holdfast', { release: keys });
    new CfnOutput(scope, 'RunnerRelease', {
      value: this.name,
      description: `What hosts of ${names.installation} in ${place.region} run; runner.release goes back to it`,
    });
  }
}
