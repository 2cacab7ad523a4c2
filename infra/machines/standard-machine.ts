import { type Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import {
  DefinitionBody,
  type IChainable,
  LogLevel,
  QueryLanguage,
  StateMachine,
  StateMachineType,
} from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { MachineName, Names } from '../names.ts';
import { rolePolicy } from '../role-policy.ts';
import type { Settings } from '../settings.ts';

export type StandardMachineProps = {
  names: Names;
  settings: Settings;
  machine: MachineName;
  comment: string;
  definition: IChainable;
  timeout: Duration;
  /** Functions the definition calls, by name: the role may invoke these and no others. */
  invokes: string[];
  /** What the definition needs beyond its functions. */
  statements?: PolicyStatement[];
};

/** A Standard machine in JSONata with a log group and a role that holds exactly what its definition names. */
export class StandardMachine extends Construct {
  constructor(scope: Construct, id: string, props: StandardMachineProps) {
    super(scope, id);
    const { names, machine } = props;
    const logGroup = new LogGroup(this, 'Log', {
      // Names under /aws/vendedlogs keep the log service's resource policy from growing past its 5,120 characters.
      logGroupName: `/aws/vendedlogs/states/${names.machine(machine)}`,
      retention: props.settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', {
      roleName: `${names.machine(machine)}-machine-${props.settings.control.region}`,
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': props.settings.control.account } },
      }),
    });
    const policy = rolePolicy(this, {
      role,
      why: 'the actions of log delivery know no resources; executions are matched by machine',
      statements: [
        new PolicyStatement({
          actions: ['lambda:InvokeFunction'],
          resources: props.invokes.map(names.functionArn),
        }),
        ...(props.statements ?? []),
        new PolicyStatement({
          actions: [
            'logs:CreateLogDelivery',
            'logs:DeleteLogDelivery',
            'logs:DescribeLogGroups',
            'logs:DescribeResourcePolicies',
            'logs:GetLogDelivery',
            'logs:ListLogDeliveries',
            'logs:PutResourcePolicy',
            'logs:UpdateLogDelivery',
          ],
          resources: ['*'],
        }),
      ],
    });
    const stateMachine = new StateMachine(this, 'Machine', {
      stateMachineName: names.machine(machine),
      stateMachineType: StateMachineType.STANDARD,
      queryLanguage: QueryLanguage.JSONATA,
      comment: props.comment,
      definitionBody: DefinitionBody.fromChainable(props.definition),
      timeout: props.timeout,
      // What CDK would grant by itself is wider (every version of each function), so it may not add to the role.
      role: role.withoutPolicyUpdates(),
      logs: { destination: logGroup, level: LogLevel.ERROR, includeExecutionData: false },
    });
    stateMachine.node.addDependency(policy);
    // What CDK prepares for a distributed map is attached to nothing: the role above has it, by name.
    stateMachine.node.tryRemoveChild('DistributedMapPolicy');
    acknowledge(
      stateMachine,
      'SF1',
      'errors only: the history holds the rest for 90 days, and task tokens stay out of logs',
    );
    acknowledge(stateMachine, 'SF2', 'the execution history is the trace; hosts are not traced');
  }
}
