import { z } from 'zod';
import { SsmError } from './ssm-error.ts';

const parameterSchema = z.strictObject({
  type: z.enum(['String', 'StringList']),
  description: z.string().optional(),
  default: z.union([z.string(), z.array(z.string())]).optional(),
  allowedPattern: z.string().optional(),
  allowedValues: z.array(z.string()).optional(),
  minChars: z.number().optional(),
  maxChars: z.number().optional(),
  displayType: z.string().optional(),
  interpolationType: z.enum(['ENV_VAR']).optional(),
});

/** Inputs that every step may have (agent 3.0.502 and later): what becomes of the steps that follow. */
const control = {
  onFailure: z.enum(['exit', 'successAndExit']).optional(),
  onSuccess: z.enum(['exit']).optional(),
  /** Runs after an exit too; the agent minds it on the last step alone. */
  finallyStep: z.boolean().optional(),
};
const stepName = z.string().regex(/^[A-Za-z0-9_-]{3,128}$/);
const precondition = z
  .strictObject({ StringEquals: z.tuple([z.literal('platformType'), z.literal('Linux')]) })
  .optional();

const shellSchema = z.strictObject({
  action: z.literal('aws:runShellScript'),
  name: stepName,
  precondition,
  inputs: z.strictObject({
    ...control,
    runCommand: z.array(z.string()).min(1),
    timeoutSeconds: z.coerce.number().int().positive().default(3600),
    workingDirectory: z.string().optional(),
  }),
});

const downloadSchema = z.strictObject({
  action: z.literal('aws:downloadContent'),
  name: stepName,
  precondition,
  inputs: z.strictObject({
    ...control,
    sourceType: z.literal('S3'),
    /** JSON: `{"path": "https://s3.<region>.amazonaws.com/<bucket>/<key>"}`. */
    sourceInfo: z.string(),
    /** Of the file, below the command's directory for downloads; the agent would take an absolute one too. */
    destinationPath: z.string().regex(/^[A-Za-z0-9._-]+$/),
  }),
});

const contentSchema = z.strictObject({
  schemaVersion: z.literal('2.2'),
  description: z.string().optional(),
  parameters: z.record(z.string().regex(/^[A-Za-z0-9]+$/), parameterSchema).default({}),
  mainSteps: z
    .array(z.discriminatedUnion('action', [shellSchema, downloadSchema]))
    .min(1)
    .refine((steps) => new Set(steps.map(({ name }) => name)).size === steps.length, 'names must be unique'),
});

export type ShellStep = z.infer<typeof shellSchema>;
export type DownloadStep = z.infer<typeof downloadSchema>;

/** A command document of schema 2.2 with the two kinds of steps that we deploy. */
export type CommandDocument = { name: string; content: z.infer<typeof contentSchema> };

/** Reads a document's content (object or JSON text); throws InvalidDocumentContent with the path of what is wrong. */
export function parseDocument(name: string, content: unknown): CommandDocument {
  const parsed = contentSchema.safeParse(typeof content === 'string' ? JSON.parse(content) : content);
  if (!parsed.success) {
    throw new SsmError('InvalidDocumentContent', `${name}: ${z.prettifyError(parsed.error)}`);
  }
  return { name, content: parsed.data };
}

const templateSchema = z.looseObject({
  Resources: z.record(
    z.string(),
    z.looseObject({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).optional() }),
  ),
});

/** The command documents of a synthesized CloudFormation template; their names must be literal. */
export function documentsOfTemplate(template: unknown): CommandDocument[] {
  return Object.entries(templateSchema.parse(template).Resources)
    .filter(([, { Type }]) => Type === 'AWS::SSM::Document')
    .map(([logicalId, { Properties = {} }]) => {
      const name = z.string({ error: `${logicalId}: Name must be literal` }).parse(Properties.Name);
      return parseDocument(name, Properties.Content);
    });
}

/**
 * The values of a document's parameters: what was sent, else the default. Refuses with InvalidParameters what AWS
 * refuses: unknown or missing ones, several values for a String, values outside pattern, list or length.
 */
export function resolveParameters(
  document: CommandDocument,
  sent: Readonly<Record<string, readonly string[]>>,
): Record<string, string> {
  const { parameters } = document.content;
  for (const name of Object.keys(sent)) {
    if (!Object.hasOwn(parameters, name)) {
      throw new SsmError('InvalidParameters', `document ${document.name} does not support parameter ${name}`);
    }
  }
  const values: Record<string, string> = {};
  for (const [name, rule] of Object.entries(parameters)) {
    const given = sent[name] ?? (rule.default === undefined ? undefined : [rule.default].flat());
    if (!given) throw new SsmError('InvalidParameters', `${name} is required by document ${document.name}`);
    if (rule.type === 'String' && given.length !== 1) {
      throw new SsmError('InvalidParameters', `${name} takes one value, ${given.length} were sent`);
    }
    for (const value of given) checkValue(name, value, rule);
    values[name] = rule.type === 'String' ? (given[0] ?? '') : JSON.stringify(given);
  }
  return values;
}

function checkValue(name: string, value: string, rule: z.infer<typeof parameterSchema>): void {
  const refuse = (must: string): never => {
    throw new SsmError('InvalidParameters', `parameter ${name} must ${must}`);
  };
  if (rule.allowedPattern !== undefined && !new RegExp(rule.allowedPattern).test(value)) {
    refuse(`match the allowed pattern ${rule.allowedPattern}`);
  }
  if (rule.allowedValues && !rule.allowedValues.includes(value))
    refuse(`be one of ${rule.allowedValues.join(', ')}`);
  if (value.length < (rule.minChars ?? 0)) refuse(`have at least ${rule.minChars} characters`);
  if (value.length > (rule.maxChars ?? Number.POSITIVE_INFINITY))
    refuse(`have at most ${rule.maxChars} characters`);
}

/** A text with the values of parameters in it, but for those of ENV_VAR, which leave the text alone. */
export function interpolate(
  { content: { parameters } }: CommandDocument,
  values: Readonly<Record<string, string>>,
  text: string,
): string {
  return Object.entries(values)
    .filter(([name]) => parameters[name]?.interpolationType !== 'ENV_VAR')
    .reduce(
      (so, [name, value]) => so.replaceAll(new RegExp(`\\{\\{\\s*${name}\\s*\\}\\}`, 'g'), () => value),
      text,
    );
}

/** What the agent runs for a step: parameters of ENV_VAR go into `SSM_<name>`, others replace `{{ name }}`. */
export function scriptOf(
  document: CommandDocument,
  step: ShellStep,
  values: Readonly<Record<string, string>>,
): { script: string; environment: Record<string, string> } {
  const environment = Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => document.content.parameters[name]?.interpolationType === 'ENV_VAR')
      .map(([name, value]) => [`SSM_${name}`, value]),
  );
  return { script: `${interpolate(document, values, step.inputs.runCommand.join('\n'))}\n`, environment };
}
