import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { AssetHashType, BundlingOutput, CfnOutput, DockerImage } from 'aws-cdk-lib';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';

const root = join(import.meta.dirname, '../..');

/**
 * The runner as one file in the bootstrap's bucket of this place. Its key is the hash of its bytes, so what a
 * host is told to fetch cannot become something else.
 */
export class RunnerAsset extends Construct {
  /** Key of the file, the same in every place. */
  readonly key: string;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const asset = new Asset(this, 'Asset', {
      path: join(root, 'runner'),
      assetHashType: AssetHashType.OUTPUT,
      bundling: {
        // Never pulled: the bundle is always made here.
        image: DockerImage.fromRegistry('none'),
        outputType: BundlingOutput.SINGLE_FILE,
        local: {
          tryBundle(directory) {
            execFileSync(process.execPath, [join(root, 'runner/bundle.ts'), join(directory, 'runner.mjs')], {
              cwd: root,
              stdio: ['ignore', 'ignore', 'inherit'],
            });
            return true;
          },
        },
      },
    });
    this.key = asset.s3ObjectKey;
    new CfnOutput(scope, 'RunnerUrl', { value: asset.s3ObjectUrl });
  }
}
