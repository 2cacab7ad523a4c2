import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as Lambda, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { z } from 'zod';
import type { Names } from '../names.ts';
import { rolePolicy } from '../role-policy.ts';
import type { Settings } from '../settings.ts';
import { bundleOf } from './bundle-functions.ts';
import { type Environment, pickEnvironment } from './environment.ts';

const root = join(import.meta.dirname, '../..');

export type ControlFunctionProps = {
  settings: Settings;
  names: Names;
  environment: Environment;
  /** Folder below `functions/`, and the name that the file, the function and its role share. */
  folder: string;
  name: string;
  description: string;
  /** The function's own schema: it gets the variables that this names and no others. */
  env: z.ZodObject;
  statements: PolicyStatement[];
  /** 50 s by default, below the 60 s of the state that waits for it. */
  seconds?: number;
  memoryMiB?: number;
};

/** A function of the control plane: bundled with its SDK, with a log group and a role of its own. */
export class ControlFunction extends Construct {
  readonly fn: Lambda;

  constructor(scope: Construct, id: string, props: ControlFunctionProps) {
    super(scope, id);
    const { settings, names, name } = props;
    const logGroup = new LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${names.function(name)}`,
      retention: settings.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', {
      roleName: names.functionRole(name),
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    });
    const policy = rolePolicy(this, {
      role,
      why: 'keys of objects, log streams, executions and parameters are told by prefix',
      statements: [
        ...props.statements,
        new PolicyStatement({
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          resources: [names.logStreamsArn(name)],
        }),
      ],
    });
    // A stack that nobody asked to bundle gets the sources in their place, as the CDK's own constructs do.
    const code = Stack.of(this).bundlingRequired ? bundleOf(name) : join(root, 'functions', props.folder);
    this.fn = new Lambda(this, 'Function', {
      functionName: names.function(name),
      description: props.description,
      code: Code.fromAsset(code),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMiB ?? 256,
      timeout: Duration.seconds(props.seconds ?? 50),
      environment: pickEnvironment(props.env, props.environment, name),
      role: role.withoutPolicyUpdates(),
      logGroup,
      loggingFormat: LoggingFormat.JSON,
    });
    this.fn.node.addDependency(policy);
  }
}
