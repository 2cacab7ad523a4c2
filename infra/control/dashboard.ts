import { CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { dashboardBody } from './dashboard-body.ts';
import type { Parts } from './parts.ts';

/** One dashboard for the whole fleet. No number in it is of one cluster: those are in the catalog, and cost nothing there. */
export class Dashboard extends Construct {
  constructor(scope: Construct, id: string, { names, settings }: Parts) {
    super(scope, id);
    new CfnDashboard(this, 'Dashboard', {
      dashboardName: names.dashboard,
      dashboardBody: JSON.stringify(dashboardBody(names, settings)),
    });
  }
}
