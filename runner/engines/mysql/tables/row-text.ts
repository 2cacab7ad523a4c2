import { NamedError } from '../../../../contract/errors/named-error.ts';
import { quoteName } from '../session.ts';

/** A column that rows are copied with; `type` is DATA_TYPE. */
export type CopiedColumn = { name: string; type: string };

/** How a value of each type is written so that the same bits come to be stored again. */
const kinds: Readonly<Record<string, 'number' | 'index' | 'single' | 'double' | 'text' | 'bytes'>> = {
  ...Object.fromEntries(
    ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'year'].map((type) => [type, 'number']),
  ),
  // By number: a member's text may be written in many ways, and an invalid one has none.
  ...Object.fromEntries(['bit', 'enum', 'set'].map((type) => [type, 'index'])),
  // A FLOAT is printed with six digits and has seven to nine.
  float: 'single',
  // As the column itself is printed: MySQL cuts the text of an expression to 22 letters, and the largest have 23.
  double: 'double',
  ...Object.fromEntries(
    ['date', 'time', 'datetime', 'timestamp', 'inet4', 'inet6', 'uuid'].map((type) => [type, 'text']),
  ),
  ...Object.fromEntries(
    [
      ...['char', 'varchar', 'binary', 'varbinary', 'json', 'vector'],
      ...['tinytext', 'text', 'mediumtext', 'longtext', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
      ...['geometry', 'point', 'linestring', 'polygon'],
      ...['multipoint', 'multilinestring', 'multipolygon', 'geometrycollection'],
    ].map((type) => [type, 'bytes']),
  ),
};

/** Types whose values may be too large to be written out. */
const large = /blob|text|json|geometry|point|linestring|polygon/;
export const isLarge = (type: string): boolean => large.test(type);

function literal({ name, type }: CopiedColumn, mostBytes: number): string {
  const column = quoteName(name);
  const kind = kinds[type];
  if (kind === undefined) {
    throw new NamedError('Restore.TableUnfit', `column ${name} is of type ${type}, which is not copied`, {
      column: name,
      type,
    });
  }
  if (kind === 'number') return `IFNULL(${column},'NULL')`;
  if (kind === 'index') return `IFNULL(${column}+0,'NULL')`;
  if (kind === 'single') return `IFNULL(CAST(${column} AS DOUBLE),'NULL')`;
  if (kind === 'double') return `IFNULL(CONCAT(${column}),'NULL')`;
  if (kind === 'text') return `IFNULL(CONCAT('''',${column},''''),'NULL')`;
  // MySQL makes no JSON of bytes without a character set.
  const json = type === 'json';
  const hex = `IFNULL(CONCAT('${json ? '_utf8mb4 ' : ''}x''',HEX(${column}),''''),'NULL')`;
  if (json) return `IF(OCTET_LENGTH(${column})>${mostBytes},'CONVERT(? USING utf8mb4)',${hex})`;
  return large.test(type) ? `IF(OCTET_LENGTH(${column})>${mostBytes},'?',${hex})` : hex;
}

/**
 * SELECT of each row of `from` as the text of its values between parentheses, of ASCII only, and after it one column
 * for each type that may hold a value of more than `mostBytes`: the text then has a `?` in its place, and the column
 * its bytes, in the character set of the table.
 */
export function rowTextQuery(columns: readonly CopiedColumn[], from: string, mostBytes: number): string {
  const values = columns.map((column) => literal(column, mostBytes)).join(",',',");
  const bytes = columns
    .filter(({ type }) => large.test(type))
    .map(
      ({ name }) =>
        `,IF(OCTET_LENGTH(${quoteName(name)})>${mostBytes},CAST(${quoteName(name)} AS BINARY),NULL)`,
    );
  return `SELECT CONCAT('(',${values},')')${bytes.join('')} FROM ${from}`;
}
