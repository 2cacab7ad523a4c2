import { z } from 'zod';

/**
 * Command documents of schema 2.2 as the AWS Systems Manager User Guide has them: "Data elements and parameters",
 * "Command document plugin reference" and its "Shared inputs". Only the actions that we use; whatever they do not
 * name is refused, as CreateDocument does.
 */
const parameter = z.strictObject({
  type: z.enum(['String', 'StringList', 'Integer', 'Boolean', 'MapList', 'StringMap']),
  description: z.string().optional(),
  default: z.unknown().optional(),
  allowedValues: z.array(z.string()).optional(),
  allowedPattern: z.string().optional(),
  displayType: z.enum(['textfield', 'textarea']).optional(),
  minItems: z.int().optional(),
  maxItems: z.int().optional(),
  minChars: z.int().optional(),
  maxChars: z.int().optional(),
  interpolationType: z.enum(['ENV_VAR']).optional(),
});

const shared = {
  finallyStep: z.boolean().optional(),
  onFailure: z.enum(['exit', 'successAndExit']).optional(),
  onSuccess: z.enum(['exit']).optional(),
};
/** Seconds as text; two days at most. */
const timeoutSeconds = z
  .string()
  .regex(/^[1-9]\d*$/)
  .refine((text) => Number(text) <= 172_800)
  .optional();
const named = {
  name: z.string().regex(/^[a-zA-Z0-9_-]{3,128}$/),
  precondition: z.strictObject({ StringEquals: z.tuple([z.string(), z.string()]) }).optional(),
};

export const commandDocumentSchema = z.strictObject({
  schemaVersion: z.literal('2.2'),
  description: z.string().optional(),
  parameters: z.record(z.string().regex(/^[a-zA-Z0-9]{1,255}$/), parameter).optional(),
  mainSteps: z
    .array(
      z.discriminatedUnion('action', [
        z.strictObject({
          action: z.literal('aws:runShellScript'),
          ...named,
          inputs: z.strictObject({
            ...shared,
            timeoutSeconds,
            runCommand: z.array(z.string()).min(1),
            workingDirectory: z.string().optional(),
          }),
        }),
        z.strictObject({
          action: z.literal('aws:downloadContent'),
          ...named,
          inputs: z.strictObject({
            ...shared,
            sourceType: z.enum(['GitHub', 'Git', 'HTTP', 'S3', 'SSMDocument']),
            sourceInfo: z.string(),
            destinationPath: z.string().optional(),
          }),
        }),
      ]),
    )
    .min(1),
});

/** What a document may have as JSON, in bytes. */
export const documentBytesAtMost = 64 * 1024;
