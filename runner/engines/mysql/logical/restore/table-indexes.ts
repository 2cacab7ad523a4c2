import { quoteName } from '../../session.ts';
import type { Definition } from '../definition.ts';

/** Lines of SHOW CREATE TABLE that can be added once the rows are there. Unique keys stay: rows would go in twice. */
const later = /^ {2}(?:(?:FULLTEXT |SPATIAL )?KEY `|CONSTRAINT `(?:[^`]|``)*` FOREIGN KEY )/;
const counted = /^ {2}`((?:[^`]|``)*)` .* AUTO_INCREMENT(?: |,|$)/;
const keptKey = /^ {2}(?:PRIMARY|UNIQUE) KEY.*?\(`((?:[^`]|``)*)`/;

/**
 * Takes secondary indexes and foreign keys out of a table's definition, to be added when its rows are loaded: an index
 * that is sorted once costs a fraction of one that is filled row by row. A counter needs its index at once.
 */
export function splitIndexes(definition: Pick<Definition, 'schema' | 'name' | 'sql'>): {
  create: string;
  add: string | undefined;
} {
  const lines = definition.sql.split('\n');
  const close = lines.findIndex((line) => line.startsWith(') '));
  const inner = lines.slice(1, Math.max(1, close)).map((line) => line.replace(/,$/, ''));
  const counter = inner.map((line) => counted.exec(line)?.[1]).find((column) => column !== undefined);
  const kept = inner.filter((line) => !later.test(line));
  const added = inner.filter((line) => later.test(line));
  const counterHasKey = counter === undefined || kept.some((line) => keptKey.exec(line)?.[1] === counter);
  if (close < 0 || added.length === 0 || !counterHasKey) return { create: definition.sql, add: undefined };
  const table = `${quoteName(definition.schema)}.${quoteName(definition.name)}`;
  return {
    create: [lines[0], kept.join(',\n'), ...lines.slice(close)].join('\n'),
    add: `ALTER TABLE ${table}\n${added.map((line) => `  ADD ${line.trimStart()}`).join(',\n')}`,
  };
}
