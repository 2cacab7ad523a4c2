import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';

/**
 * The catalog (a fold of receipts and registry) and the jobs, of which each host sees its own partition. Neither has an
 * index: one over attributes that hosts write could be flooded by one of them, and would then hold up all the others'
 * rows. The list of live jobs is in the catalog.
 */
export class Tables extends Construct {
  constructor(scope: Construct, id: string, props: { names: Names }) {
    super(scope, id);
    const { names } = props;
    const kept = {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billing: Billing.onDemand(),
      // A key of ours would have to be opened to every host, for rows that hold no data of a database.
      encryption: TableEncryptionV2.dynamoOwnedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      timeToLiveAttribute: 'ttl',
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    };
    new TableV2(this, 'Catalog', { ...kept, tableName: names.catalogTable });
    new TableV2(this, 'Jobs', { ...kept, tableName: names.jobsTable });
  }
}
