import { EventBus } from 'aws-cdk-lib/aws-events';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';

/** Where results are told to whoever listens: `Backup Succeeded`, `Backup Failed`, `Backup Verified`, `Restore Completed`. */
export class Bus extends Construct {
  constructor(scope: Construct, id: string, props: { names: Names }) {
    super(scope, id);
    new EventBus(this, 'Bus', {
      eventBusName: props.names.bus,
      description: `Results of ${props.names.installation}`,
    });
  }
}
