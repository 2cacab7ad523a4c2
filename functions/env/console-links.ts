/** Console of a partition. China and GovCloud have domains of their own. */
function consoleOf(partition: string, region: string): string {
  if (partition === 'aws-cn') return `https://${region}.console.amazonaws.cn`;
  if (partition === 'aws-us-gov') return 'https://console.amazonaws-us-gov.com';
  return `https://${region}.console.aws.amazon.com`;
}

/** Partition and region of an ARN: `arn:<partition>:<service>:<region>:…`. */
const placeOf = (arn: string) => {
  const [, partition = 'aws', , region = ''] = arn.split(':');
  return { partition, region };
};

/** Where an execution's graph and history are shown. */
export function executionLink(executionArn: string): string {
  const { partition, region } = placeOf(executionArn);
  return `${consoleOf(partition, region)}/states/home?region=${region}#/v2/executions/details/${executionArn}`;
}

/** Where a machine's executions are listed. */
export function machineLink(machineArn: string): string {
  const { partition, region } = placeOf(machineArn);
  return `${consoleOf(partition, region)}/states/home?region=${region}#/statemachines/view/${encodeURIComponent(machineArn)}`;
}

/** The dashboard that bears the installation's name, in the place of the machine. */
export function dashboardLink(machineArn: string, installation: string): string {
  const { partition, region } = placeOf(machineArn);
  return `${consoleOf(partition, region)}/cloudwatch/home?region=${region}#dashboards/dashboard/${installation}`;
}
