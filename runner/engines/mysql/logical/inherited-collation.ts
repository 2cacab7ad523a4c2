/** A string column of SHOW CREATE TABLE that shows a collation and no character set. */
const inherited =
  /^( {2}`(?:[^`]|``)+` (?:(?:var)?char\(\d+\)|(?:tiny|medium|long)?text|(?:enum|set)\((?:'(?:[^'\\]|''|\\.)*',?)+\))) COLLATE \w+/gm;

/**
 * A table's definition of MySQL without the collations that columns have from their table. SHOW CREATE TABLE prints them
 * where they are not the default of their character set; given in a CREATE they would count as a column's own, and be
 * shown with the character set: the table would not be the same.
 */
export const withoutInheritedCollations = (sql: string): string => sql.replaceAll(inherited, '$1');
