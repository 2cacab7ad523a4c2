import { hostId } from './account.ts';
import type { AccountAtWork, Call } from './calls-of-stores.ts';
import { form, json, rest } from './requests.ts';

/** What the other services can be asked for. */
export function callsOfServices({ names, account, region, arnOfRole }: AccountAtWork): Call[] {
  const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`;
  const target = (
    name: string,
    [service, prefix]: readonly [string, string],
    action: string,
    resource: string,
    body: object,
  ): Call => ({
    name,
    action: `${service}:${action}`,
    resource,
    request: json(service, `${prefix}.${action}`, body),
  });
  const query = (
    name: string,
    [service, version, signed = service]: readonly [string, string, string?],
    action: string,
    resource: string,
    fields: Record<string, string> = {},
  ): Call => ({
    name,
    action: `${service}:${action}`,
    resource,
    request: form(signed, version, { Action: action, ...fields }),
  });
  const secrets = ['secretsmanager', 'secretsmanager'] as const;
  const secret = (SecretId: string) => arn('secretsmanager', `secret:${SecretId}`);
  const states = ['states', 'AWSStepFunctions'] as const;
  const ssm = ['ssm', 'AmazonSSM'] as const;
  const kms = ['kms', 'TrentService'] as const;
  const iam = ['iam', '2010-05-08'] as const;
  const sts = ['sts', '2011-06-15'] as const;
  const backup = names.machineArn('backup');
  const execution = names.executionsArn('backup').replace('*', 'shop-now-1');
  const key = `alias/${names.installation}-home`;
  const invoke = (name: string, fn: string): Call => ({
    name,
    action: 'lambda:InvokeFunction',
    resource: names.functionArn(fn),
    request: rest('lambda', 'POST', `/2015-03-31/functions/${names.function(fn)}/invocations`, {
      body: '{}',
    }),
  });
  const taskAnswer = { taskToken: 'no-token', output: '{}' };
  const parameter = '/holdfast/policies/hourly';
  const assume = (name: string, role: string) =>
    query(name, sts, 'AssumeRole', arnOfRole(role), { RoleArn: arnOfRole(role), RoleSessionName: 'x' });
  return [
    target('read its own secret', secrets, 'GetSecretValue', secret(`holdfast/${hostId}/root`), {
      SecretId: `holdfast/${hostId}/root`,
    }),
    target('read a secret of another host', secrets, 'GetSecretValue', secret('holdfast/mi-0foreign/root'), {
      SecretId: 'holdfast/mi-0foreign/root',
    }),
    target('read another secret', secrets, 'GetSecretValue', secret('payroll'), { SecretId: 'payroll' }),
    target('write its own secret', secrets, 'PutSecretValue', secret(`holdfast/${hostId}/root`), {
      SecretId: `holdfast/${hostId}/root`,
      SecretString: '{}',
    }),
    target('list secrets', secrets, 'ListSecrets', '*', {}),
    target('tag a secret as its own', secrets, 'TagResource', secret('holdfast/mi-0foreign/root'), {
      SecretId: 'holdfast/mi-0foreign/root',
      Tags: [],
    }),
    target('answer a task with success', states, 'SendTaskSuccess', backup, taskAnswer),
    target('answer a task with failure', states, 'SendTaskFailure', backup, { taskToken: 'no-token' }),
    target('beat for a task', states, 'SendTaskHeartbeat', backup, { taskToken: 'no-token' }),
    target('start a backup', states, 'StartExecution', backup, { stateMachineArn: backup, input: '{}' }),
    target('start a restore', states, 'StartExecution', names.machineArn('restore'), {
      stateMachineArn: names.machineArn('restore'),
      input: '{}',
    }),
    target('stop an execution', states, 'StopExecution', execution, { executionArn: execution }),
    target('read a history, tokens in it', states, 'GetExecutionHistory', execution, {
      executionArn: execution,
    }),
    target('describe an execution', states, 'DescribeExecution', execution, { executionArn: execution }),
    target('list executions', states, 'ListExecutions', backup, { stateMachineArn: backup }),
    target('change a machine', states, 'UpdateStateMachine', backup, { stateMachineArn: backup }),
    invoke('ask the broker', 'broker'),
    invoke('register', 'register'),
    invoke('verify', 'verify'),
    invoke('record', 'record'),
    {
      name: 'change the broker’s code',
      action: 'lambda:UpdateFunctionCode',
      resource: names.functionArn('broker'),
      request: rest('lambda', 'PUT', `/2015-03-31/functions/${names.function('broker')}/code`, {
        body: '{}',
      }),
    },
    {
      name: 'read the broker’s code and variables',
      action: 'lambda:GetFunction',
      resource: names.functionArn('broker'),
      request: rest('lambda', 'GET', `/2015-03-31/functions/${names.function('broker')}`),
    },
    assume('take the restore role', names.restoreRole('home')),
    assume('take the dispatch role', names.dispatchRole),
    assume('take the hosts’ role', names.hostRole),
    assume('take the role of record', names.functionRole('record')),
    query('look up the hosts’ role', iam, 'GetRole', arnOfRole(names.hostRole), { RoleName: names.hostRole }),
    query('look up another role', iam, 'GetRole', arnOfRole(names.dispatchRole), {
      RoleName: names.dispatchRole,
    }),
    query('give itself rights', iam, 'PutRolePolicy', arnOfRole(names.hostRole), {
      RoleName: names.hostRole,
      PolicyName: 'more',
      PolicyDocument: '{}',
    }),
    query('make a user', iam, 'CreateUser', `arn:aws:iam::${account}:user/mallory`, { UserName: 'mallory' }),
    query('list roles', iam, 'ListRoles', '*'),
    target('get a data key, not through S3', kms, 'GenerateDataKey', arn('kms', key), {
      KeyId: key,
      KeySpec: 'AES_256',
    }),
    target('decrypt, not through S3', kms, 'Decrypt', arn('kms', key), {
      KeyId: key,
      CiphertextBlob: 'eA==',
    }),
    target('have the key deleted', kms, 'ScheduleKeyDeletion', arn('kms', key), { KeyId: key }),
    target('grant the key to others', kms, 'CreateGrant', arn('kms', key), { KeyId: key }),
    target('send our document', ssm, 'SendCommand', names.documentArn({ account, region }), {
      DocumentName: names.document,
      InstanceIds: [hostId],
    }),
    target('send a shell script', ssm, 'SendCommand', `arn:aws:ssm:${region}::document/AWS-RunShellScript`, {
      DocumentName: 'AWS-RunShellScript',
      InstanceIds: [hostId],
    }),
    target('read a policy', ssm, 'GetParameter', arn('ssm', `parameter${parameter}`), { Name: parameter }),
    target('change a policy', ssm, 'PutParameter', arn('ssm', `parameter${parameter}`), {
      Name: parameter,
      Value: '{}',
    }),
    target('report as an agent', ssm, 'UpdateInstanceInformation', '*', { InstanceId: hostId }),
    target('publish an event', ['events', 'AWSEvents'], 'PutEvents', names.busArn, {
      Entries: [{ EventBusName: names.bus, Source: 'x', DetailType: 'x', Detail: '{}' }],
    }),
    target('remove a rule', ['events', 'AWSEvents'], 'DeleteRule', arn('events', 'rule/default/x'), {
      Name: 'x',
    }),
    query('publish an alarm', ['sns', '2010-03-31'], 'Publish', names.topicArn, {
      TopicArn: names.topicArn,
      Message: 'x',
    }),
    query('put metrics', ['cloudwatch', '2010-08-01', 'monitoring'], 'PutMetricData', '*', {
      Namespace: names.metricNamespace,
      'MetricData.member.1.MetricName': 'x',
    }),
    query('silence alarms', ['cloudwatch', '2010-08-01', 'monitoring'], 'DisableAlarmActions', '*', {
      'AlarmNames.member.1': 'x',
    }),
    query('delete a stack', ['cloudformation', '2010-05-15'], 'DeleteStack', '*', {
      StackName: names.controlStack,
    }),
    target(
      'delete logs',
      ['logs', 'Logs_20140328'],
      'DeleteLogGroup',
      arn('logs', 'log-group:/aws/lambda/x'),
      {
        logGroupName: '/aws/lambda/x',
      },
    ),
    query('list instances', ['ec2', '2016-11-15'], 'DescribeInstances', '*'),
    {
      name: 'stop the schedules',
      action: 'scheduler:DeleteSchedule',
      resource: arn('scheduler', `schedule/${names.scheduleGroup}/policy-hourly`),
      request: rest('scheduler', 'DELETE', '/schedules/policy-hourly', {
        query: { groupName: names.scheduleGroup },
      }),
    },
  ];
}
