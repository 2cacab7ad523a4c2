import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { namesOf } from '../names.ts';
import type { Place, Settings } from '../settings.ts';
import { DispatchRole } from './dispatch-role.ts';
import { HostRole } from './host-role.ts';
import { RunJobDocument } from './run-job-document.ts';
import { RunnerAsset } from './runner-asset.ts';

/** Roles are global in an account: the first place of an account in the settings makes them for all its regions. */
export const makesRoles = (settings: Settings, place: Place) =>
  settings.hosts.find((h) => h.account === place.account)?.region === place.region;

/** What an account and region with databases needs. One per place, deployed last. */
export class HostsStack extends Stack {
  constructor(scope: Construct, props: { settings: Settings; place: Place }) {
    const { settings, place } = props;
    const names = namesOf(settings);
    super(scope, names.hostsStack(place), {
      env: { account: place.account, region: place.region },
      description: `holdfast: hosts of ${names.installation} in ${place.account}/${place.region}`,
    });
    new RunJobDocument(this, 'RunJob', { names });
    const { key: runnerKey } = new RunnerAsset(this, 'Runner');
    if (makesRoles(settings, place)) {
      new HostRole(this, 'Host', { settings, names, place, runnerKey });
      new DispatchRole(this, 'Dispatch', { settings, names, place });
    }
    new CfnOutput(this, 'DocumentName', { value: names.document });
    new CfnOutput(this, 'HostRoleArn', { value: names.hostRoleArn(place) });
    new CfnOutput(this, 'DispatchRoleArn', { value: names.dispatchRoleArn(place) });
  }
}
