import { type Names, namesOf } from '../../../infra/names.ts';
import { type Place, parseSettings, type Settings } from '../../../infra/settings.ts';
import {
  exampleSettings,
  flat,
  ofType,
  synthesized,
  type Template,
  wholeStatementsOf,
} from '../synthesized.ts';
import type { PolicyStatement } from './decide.ts';

/** Every policy of an installation as its synthesized templates say, with ARNs where they point at a resource. */
export type Deployed = {
  settings: Settings;
  names: Names;
  /** Names of all roles, with the account of each. */
  roles: readonly { name: string; arn: string }[];
  identity: (roleName: string) => PolicyStatement[];
  trust: (roleName: string) => PolicyStatement[];
  bucket: (site: string) => PolicyStatement[];
  toolsBucket: (site: string) => PolicyStatement[];
  key: (site: string) => PolicyStatement[];
  keyArn: (site: string) => string;
  operator: (policyName: string) => PolicyStatement[];
  alarmTopic: () => PolicyStatement[];
  alarmKey: () => PolicyStatement[];
  busKey: () => PolicyStatement[];
  deadLetters: () => PolicyStatement[];
};

/** The ARN of a resource by its logical id, as CloudFormation would give it; ids that only AWS knows are made up. */
function arnOf(template: Template, at: Place, logicalId: string): string {
  const { Type, Properties } = template.Resources[logicalId] ?? { Type: 'nothing', Properties: {} };
  const regional = (service: string, rest: string) => `arn:aws:${service}:${at.region}:${at.account}:${rest}`;
  switch (Type) {
    case 'AWS::S3::Bucket':
      return `arn:aws:s3:::${Properties.BucketName}`;
    case 'AWS::KMS::Key':
      return regional('kms', `key/${logicalId}`);
    case 'AWS::SQS::Queue':
      return regional('sqs', Properties.QueueName);
    case 'AWS::SNS::Topic':
      return regional('sns', Properties.TopicName);
    case 'AWS::Lambda::Function':
      return regional('lambda', `function:${Properties.FunctionName}`);
    case 'AWS::StepFunctions::StateMachine':
      return regional('states', `stateMachine:${Properties.StateMachineName}`);
    default:
      throw new Error(`a policy points at ${logicalId}, a ${Type}: say what its ARN is`);
  }
}

const pointer = /<([A-Za-z0-9]+)(?:\.Arn)?>/g;

/** A value with every pointer that `flat` left, such as `<SiteKey.Arn>`, replaced. */
function resolved<T>(value: T, template: Template, at: Place): T {
  return JSON.parse(
    JSON.stringify(value).replaceAll(pointer, (_, id: string) => arnOf(template, at, id)),
  ) as T;
}

/** Synthesizes the settings and reads the policies out of the templates. */
export function deployed(input: unknown = exampleSettings()): Deployed {
  const settings = parseSettings(input);
  const names = namesOf(settings);
  const stacks = synthesized(input);
  const placeOf = (stack: string): Place => {
    const site = Object.keys(settings.sites).find((s) => names.siteStack(s) === stack);
    if (site) return settings.sites[site]!;
    return settings.hosts.find((h) => names.hostsStack(h) === stack) ?? settings.control;
  };
  const whole = Object.entries(stacks).map(([stack, template]) => ({ template, at: placeOf(stack) }));
  const roles = whole.flatMap(({ template, at }) =>
    ofType(template, 'AWS::IAM::Role').map(([, { Properties }]) => ({
      name: Properties.RoleName as string,
      arn: `arn:aws:iam::${at.account}:role/${Properties.RoleName}`,
      template,
      at,
      trust: flat(Properties.AssumeRolePolicyDocument.Statement) as PolicyStatement[],
    })),
  );
  const role = (name: string) => {
    const found = roles.find((r) => r.name === name);
    if (!found) throw new Error(`no stack makes a role ${name}`);
    return found;
  };
  const document = (template: Template, at: Place, type: string, property: string, begins = '') => {
    const found = ofType(template, type).filter(([id]) => id.startsWith(begins));
    if (found.length !== 1) throw new Error(`${found.length} resources ${type} ${begins}`);
    const statements = flat(found[0]![1].Properties[property].Statement) as PolicyStatement[];
    return resolved(statements, template, at);
  };
  const atSite = (site: string, type: string, property: string, begins?: string) =>
    document(stacks[names.siteStack(site)]!, settings.sites[site]!, type, property, begins);
  const control = stacks[names.controlStack]!;
  return {
    settings,
    names,
    roles,
    identity: (name) => {
      const { template, at } = role(name);
      return resolved(wholeStatementsOf(template, name), template, at);
    },
    trust: (name) => role(name).trust,
    bucket: (site) => atSite(site, 'AWS::S3::BucketPolicy', 'PolicyDocument', 'Backups'),
    toolsBucket: (site) => atSite(site, 'AWS::S3::BucketPolicy', 'PolicyDocument', 'Tools'),
    key: (site) => atSite(site, 'AWS::KMS::Key', 'KeyPolicy'),
    keyArn: (site) => {
      const template = stacks[names.siteStack(site)]!;
      return arnOf(template, settings.sites[site]!, ofType(template, 'AWS::KMS::Key')[0]![0]);
    },
    operator: (name) =>
      ofType(control, 'AWS::IAM::ManagedPolicy')
        .filter(([, { Properties }]) => Properties.ManagedPolicyName === name)
        .flatMap(([, { Properties }]) =>
          resolved(flat(Properties.PolicyDocument.Statement) as PolicyStatement[], control, settings.control),
        ),
    alarmTopic: () => document(control, settings.control, 'AWS::SNS::TopicPolicy', 'PolicyDocument'),
    alarmKey: () => document(control, settings.control, 'AWS::KMS::Key', 'KeyPolicy', 'AlarmChannel'),
    busKey: () => document(control, settings.control, 'AWS::KMS::Key', 'KeyPolicy', 'Events'),
    deadLetters: () => document(control, settings.control, 'AWS::SQS::QueuePolicy', 'PolicyDocument'),
  };
}
