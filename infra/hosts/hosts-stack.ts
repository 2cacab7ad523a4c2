import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { namesOf } from '../names.ts';
import type { Place, Settings } from '../settings.ts';
import type { Release } from './build-release.ts';
import { DispatchRole } from './dispatch-role.ts';
import { HostRole } from './host-role.ts';
import { InstallRunnerDocument } from './install-runner-document.ts';
import { RunJobDocument } from './run-job-document.ts';
import { RunnerAssociation } from './runner-association.ts';
import { RunnerRelease } from './runner-release.ts';

/** Roles are global in an account: the first place of an account in the settings makes them for all its regions. */
const makesRoles = (settings: Settings, place: Place) =>
  settings.hosts.find((h) => h.account === place.account)?.region === place.region;

/** What an account and region with databases needs. One per place, deployed last. */
export class HostsStack extends Stack {
  constructor(scope: Construct, props: { settings: Settings; place: Place; buildRelease: () => Release }) {
    const { settings, place, buildRelease } = props;
    const names = namesOf(settings);
    super(scope, names.hostsStack(place), {
      env: { account: place.account, region: place.region },
      description: `holdfast: hosts of ${names.installation} in ${place.account}/${place.region}`,
    });
    new RunJobDocument(this, 'RunJob', { names });
    const { name: release } = new RunnerRelease(this, 'Release', {
      settings,
      names,
      place,
      build: buildRelease,
    });
    const install = new InstallRunnerDocument(this, 'InstallRunner', { settings, names, place });
    const keep = new RunnerAssociation(this, 'KeepRunner', { names, release });
    keep.node.addDependency(install);
    if (makesRoles(settings, place)) {
      keep.node.addDependency(new HostRole(this, 'Host', { settings, names, place, release }));
      new DispatchRole(this, 'Dispatch', { settings, names, place });
    }
    new CfnOutput(this, 'DocumentName', { value: names.document });
    new CfnOutput(this, 'HostRoleArn', { value: names.hostRoleArn(place) });
    new CfnOutput(this, 'DispatchRoleArn', { value: names.dispatchRoleArn(place) });
  }
}
