import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { namesOf } from '../names.ts';
import type { Settings } from '../settings.ts';
import { AlarmChannel } from './alarm-channel.ts';
import { Alarms } from './alarms.ts';
import { BackupFunctions } from './backup-functions.ts';
import { Bus } from './bus.ts';
import { ClosedExecutions } from './closed-executions.ts';
import { Dashboard } from './dashboard.ts';
import { environmentOf } from './environment.ts';
import { FleetFunctions } from './fleet-functions.ts';
import { Machines } from './machines.ts';
import { OperatorPolicies } from './operator-policies.ts';
import { Outputs } from './outputs.ts';
import { Policies } from './policies.ts';
import { RestoreFunctions } from './restore-functions.ts';
import { rightsOf } from './rights.ts';
import { Schedules } from './schedules.ts';
import { ScratchBucket } from './scratch-bucket.ts';
import { Tables } from './tables.ts';

/** The control plane of an installation: it decides and records. Deployed after its sites. */
export class ControlStack extends Stack {
  constructor(scope: Construct, props: { settings: Settings }) {
    const { settings } = props;
    const names = namesOf(settings);
    super(scope, names.controlStack, {
      env: { account: settings.control.account, region: settings.control.region },
      description: `holdfast: control of ${names.installation}`,
      terminationProtection: true,
    });
    const parts = {
      settings,
      names,
      environment: environmentOf(settings, names),
      rights: rightsOf(settings, names),
    };
    new Tables(this, 'Tables', { names });
    new ScratchBucket(this, 'Scratch', { names });
    new Policies(this, 'Policies', { settings, names });
    const { topic, deadLetters } = new AlarmChannel(this, 'AlarmChannel', { settings, names });
    new Bus(this, 'Events', { settings, names, deadLetters });
    new BackupFunctions(this, 'BackupFunctions', parts);
    new RestoreFunctions(this, 'RestoreFunctions', parts);
    const { cancelClosed } = new FleetFunctions(this, 'FleetFunctions', { ...parts, topic, deadLetters });
    new Machines(this, 'Machines', parts);
    new Schedules(this, 'Schedules', { ...parts, deadLetters });
    new ClosedExecutions(this, 'ClosedExecutions', { ...parts, cancelClosed, deadLetters });
    new OperatorPolicies(this, 'Operators', { ...parts, deadLetters });
    new Alarms(this, 'Alarms', { ...parts, topic });
    new Dashboard(this, 'Dashboard', parts);
    new Outputs(this, 'Outputs', parts);
  }
}
