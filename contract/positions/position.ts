import { z } from 'zod';

/** A point in a MySQL or MariaDB binary log. `gtid` is empty where the server keeps none. */
export const mysqlPositionSchema = z.object({
  kind: z.literal('mysql'),
  flavour: z.enum(['mariadb', 'mysql']),
  gtid: z.string(),
  file: z.string().optional(),
  offset: z.number().optional(),
});

/** A point in a log, by engine; later engines add their kinds. */
export const positionSchema = z.discriminatedUnion('kind', [mysqlPositionSchema]);

export type MysqlPosition = z.infer<typeof mysqlPositionSchema>;
export type Position = z.infer<typeof positionSchema>;
