/**
 * What a server says of a table that changed under its reader: 1412 the definition changed after the snapshot, 1146
 * and 1049 table or database are gone, 1054 and 1176 a column or key of the definition read before is gone, 1205
 * somebody locks it.
 */
const errors = new Set([1412, 1146, 1049, 1054, 1176, 1205]);

export const hasMoved = (error: unknown): boolean => errors.has((error as { errno?: number }).errno ?? 0);
