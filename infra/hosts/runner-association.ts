import { CfnAssociation } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { hostTag } from './dispatch-role.ts';

/**
 * Keeps every tagged node of a place on one release. It runs when it is made or the release changes, at once on a node
 * that is tagged later, and every six hours, which costs a host that has the release one reading of its files.
 */
export class RunnerAssociation extends Construct {
  constructor(scope: Construct, id: string, props: { names: Names; release: string }) {
    super(scope, id);
    const { names, release } = props;
    new CfnAssociation(this, 'Association', {
      associationName: names.installDocument,
      name: names.installDocument,
      parameters: { Release: [release] },
      targets: [{ key: `tag:${hostTag}`, values: [names.installation] }],
      scheduleExpression: 'rate(6 hours)',
      maxConcurrency: '10%',
      // A release that does not start leaves the old one in place; the rest of the fleet need not try it.
      maxErrors: '5%',
      complianceSeverity: 'HIGH',
      syncCompliance: 'AUTO',
    });
  }
}
