import { z } from 'zod';

export const tableNameSchema = z.object({ schema: z.string(), table: z.string() });

/**
 * What one table has to do with other files than its own: the tables that its foreign keys point to, and the number by
 * which InnoDB names the files of its FULLTEXT indexes (16 hexadecimal digits).
 */
export const tableRelationsSchema = z.object({
  ...tableNameSchema.shape,
  references: z.array(tableNameSchema).optional(),
  fullText: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
});

export type TableName = z.infer<typeof tableNameSchema>;
export type TableRelations = z.infer<typeof tableRelationsSchema>;

/** One text for one table: names may hold any character. */
export const tableKey = ({ schema, table }: TableName) => JSON.stringify([schema, table]);

/** `shop.orders`, as people write it. */
export const tableText = ({ schema, table }: TableName) => `${schema}.${table}`;

/**
 * The tables that the wanted ones point to with foreign keys, and those that these point to in turn, without the wanted
 * ones. What happens to a row of theirs can change rows of the wanted tables with no word of it in the log (M04).
 */
export function ancestorsOf(wanted: readonly TableName[], relations: readonly TableRelations[]): TableName[] {
  const known = new Map(relations.map((of) => [tableKey(of), of]));
  const seen = new Set(wanted.map(tableKey));
  const found: TableName[] = [];
  const ahead = [...wanted];
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    for (const { schema, table } of known.get(tableKey(next))?.references ?? []) {
      const parent = { schema, table };
      if (seen.has(tableKey(parent))) continue;
      seen.add(tableKey(parent));
      found.push(parent);
      ahead.push(parent);
    }
  }
  return found.sort((a, b) => (tableText(a) < tableText(b) ? -1 : 1));
}
