import { z } from 'zod';

/** In the order in which they can be made again. `rows` are rows of the server's own tables, `grants` the accounts as statements. */
export const definitionKinds = [
  'database',
  'sequence',
  'table',
  'rows',
  'routine',
  'placeholder',
  'view',
  'trigger',
  'event',
  'grants',
] as const;

/**
 * One object of a server as the statement that makes it again, with the settings under which that statement means the
 * same. The runner reads them itself, because mydumper 0.10 leaves out modes, character sets and delimiters.
 */
export const definitionSchema = z.object({
  kind: z.enum(definitionKinds),
  schema: z.string(),
  name: z.string(),
  sql: z.string(),
  sqlMode: z.string().optional(),
  characterSet: z.string().optional(),
  collation: z.string().optional(),
  timeZone: z.string().optional(),
  /** What a session must take for now (Unix seconds): an event whose time has passed since is not made otherwise. */
  timestamp: z.int().optional(),
  /** The default collation that the schema had when a routine, trigger or event was made, where it has another now. */
  schemaCollation: z.object({ former: z.string(), present: z.string() }).optional(),
});

export type Definition = z.infer<typeof definitionSchema>;
export type DefinitionKind = Definition['kind'];

/** One line of JSON each. */
export const encodeDefinitions = (definitions: readonly Definition[]): Buffer =>
  Buffer.from(definitions.map((definition) => `${JSON.stringify(definition)}\n`).join(''));

export const decodeDefinitions = (bytes: Buffer): Definition[] =>
  bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => definitionSchema.parse(JSON.parse(line)));
