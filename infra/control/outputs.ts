import { CfnOutput } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { runnerSettingsOf } from '../runner-settings.ts';
import type { Parts } from './parts.ts';

/** What an operator copies into the next command. */
export class Outputs extends Construct {
  constructor(scope: Construct, id: string, { names, settings }: Parts) {
    super(scope, id);
    const outputs = {
      CatalogTable: names.catalogTable,
      JobsTable: names.jobsTable,
      JobsTableArn: names.tableArn(names.jobsTable),
      ScratchBucket: names.scratchBucket,
      RegisterFunction: names.function('register'),
      RebuildFunction: names.function('rebuild'),
      ReconcileFunction: names.function('reconcile'),
      RetentionFunction: names.function('retention'),
      BrokerFunction: names.function('broker'),
      FleetBackupMachineArn: names.machineArn('fleet-backup'),
      BackupMachineArn: names.machineArn('backup'),
      RestoreMachineArn: names.machineArn('restore'),
      EventBus: names.bus,
      AlarmTopicArn: names.topicArn,
      PolicyPrefix: names.policyPrefix,
      /** `etc/runner.json` of every host. */
      RunnerSettings: JSON.stringify(runnerSettingsOf(settings, names)),
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(scope, name, { value });
  }
}
