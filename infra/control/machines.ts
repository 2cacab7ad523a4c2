import { Duration } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { backupDefinition, backupMachineInvokes } from '../machines/backup.ts';
import { fleetBackupDefinition, fleetBackupMachineInvokes } from '../machines/fleet-backup.ts';
import { restoreDefinition, restoreMachineInvokes } from '../machines/restore.ts';
import { StandardMachine } from '../machines/standard-machine.ts';
import { partitionOf } from '../names.ts';
import type { Parts } from './parts.ts';

/** The machines, each in a scope of its own, since a state's name is its construct's id. */
export class Machines extends Construct {
  constructor(scope: Construct, id: string, { settings, names }: Parts) {
    super(scope, id);
    const fleet = new Construct(this, 'FleetBackup');
    new StandardMachine(fleet, 'Machine', {
      settings,
      names,
      machine: 'fleet-backup',
      comment: 'Finds the clusters that are due and starts one backup each',
      definition: fleetBackupDefinition(fleet, names),
      timeout: Duration.hours(1),
      invokes: fleetBackupMachineInvokes,
      statements: [
        new PolicyStatement({
          actions: ['states:StartExecution'],
          resources: [names.machineArn('fleet-backup'), names.machineArn('backup')],
        }),
        // A distributed map runs its items as executions of its own machine.
        new PolicyStatement({
          actions: ['states:DescribeExecution', 'states:StopExecution'],
          resources: [names.executionsArn('fleet-backup'), names.itemExecutionsArn('fleet-backup')],
        }),
        new PolicyStatement({
          actions: ['s3:GetObject'],
          resources: [`arn:${partitionOf(settings.control.region)}:s3:::${names.scratchBucket}/due/*`],
        }),
      ],
    });
    const backup = new Construct(this, 'Backup');
    new StandardMachine(backup, 'Machine', {
      settings,
      names,
      machine: 'backup',
      comment: 'One attempt to capture one cluster',
      definition: backupDefinition(backup, names),
      // 24 hours at most for leases (windowMinutes), 48 on the host, the rest for what comes before and after.
      timeout: Duration.days(4),
      invokes: backupMachineInvokes,
    });
    const restore = new Construct(this, 'Restore');
    new StandardMachine(restore, 'Machine', {
      settings,
      names,
      machine: 'restore',
      comment: 'Brings one backup back as a new instance on a host',
      definition: restoreDefinition(restore, names),
      timeout: Duration.days(3),
      invokes: restoreMachineInvokes,
    });
  }
}
