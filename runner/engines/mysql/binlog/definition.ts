import type { Statement } from './statement.ts';

/** What a statement of the log is to whoever replays it. */
export type StatementKind =
  /** Brackets of a transaction, savepoints, settings of a session. */
  | { kind: 'bracket' }
  /** Rows changed by a statement: what it reads and writes beyond its text, nobody can tell. */
  | { kind: 'rows' }
  | { kind: 'definition'; verb: string; tables: [schema: string, table: string][]; unsure: boolean };

type Token = { text: string; quoted: boolean };

const pieces =
  /\s+|--[^\n]*|#[^\n]*|\/\*M?!\d*|\/\*[\s\S]*?(?:\*\/|$)|\*\/|`((?:[^`]|``)*)`|"((?:[^"\\]|\\[\s\S]|"")*)"|'(?:[^'\\]|\\[\s\S]|'')*'|[\p{L}\p{N}_$\u0080-\uffff]+|[\s\S]/gu;
const silent = /^(?:\s|--|#|\/\*|\*\/$)/;

/** Words, names and signs of a statement; comments left out, but what executable ones hold. Strings come as one sign. */
function* tokens(text: string): Generator<Token> {
  for (const match of text.matchAll(pieces)) {
    const [all, backtick, double] = match;
    if (backtick !== undefined) yield { text: backtick.replaceAll('``', '`'), quoted: true };
    else if (double !== undefined) yield { text: double.replaceAll('""', '"'), quoted: true };
    else if (!silent.test(all)) yield { text: all.startsWith("'") ? "'" : all, quoted: false };
  }
}

const brackets = new Set([
  'begin',
  'commit',
  'rollback',
  'savepoint',
  'release',
  'xa',
  'set',
  'start',
  'end',
]);
const rowVerbs = new Set(['insert', 'update', 'delete', 'replace', 'load', 'call', 'select', 'with', 'do']);
/** Objects whose definitions lie in the system schema, or touch no table by themselves. */
const systemObjects = new Set([
  'user',
  'role',
  'procedure',
  'function',
  'package',
  'event',
  'server',
  'tablespace',
  'logfile',
  'password',
  'resource',
  'plugin',
  'component',
  'undo',
  'instance',
]);
const objects = new Set([
  ...systemObjects,
  'table',
  'tables',
  'view',
  'sequence',
  'index',
  'trigger',
  'database',
  'schema',
  'key',
  'fulltext',
  'spatial',
]);
/** Behind these words stands the name of a table. */
const beforeNames = new Set([
  'table',
  'tables',
  'view',
  'sequence',
  'like',
  'to',
  'from',
  'join',
  'on',
  'references',
  'into',
  'update',
  'truncate',
  // `alter table a rename b`
  'rename',
]);
const skipped = new Set(['=', 'if', 'not', 'exists', 'only', 'as', 'wait', 'nowait', 'lateral']);

/** `rename column a to b`: of these nothing but a part of the table gets another name. */
const partsOfTable = new Set(['column', 'index', 'key']);

const isName = ({ text, quoted }: Token) => quoted || /^[\p{L}\p{N}_$\u0080-\uffff]+$/u.test(text);

/** Names behind words that names of tables follow: too many rather than too few. */
function tablesIn(all: readonly Token[], schema: string): [string, string][] {
  const found = new Map<string, [string, string]>();
  const wordAt = (i: number) => (all[i]?.quoted ? '' : (all[i]?.text.toLowerCase() ?? ''));
  let expected = false;
  for (let i = 0; i < all.length; i++) {
    const token = all[i]!;
    const word = wordAt(i);
    if (word === 'rename' && partsOfTable.has(wordAt(i + 1))) {
      i += 4;
    } else if (beforeNames.has(word)) {
      expected = true;
    } else if (expected && !skipped.has(word)) {
      expected = false;
      if (!isName(token)) continue;
      const qualified = all[i + 1]?.text === '.' && all[i + 2] !== undefined && isName(all[i + 2]!);
      const name: [string, string] = qualified ? [token.text, all[i + 2]!.text] : [schema, token.text];
      found.set(name.join('\0'), name);
      if (qualified) i += 2;
      // A list goes on: `drop table a, b`, `from a, b`, `rename table a to b, c to d`.
      if (all[i + 1]?.text === ',') {
        i += 1;
        expected = true;
      }
    }
  }
  return [...found.values()];
}

/** Tells what a statement of a binary log is, and of a change of definitions which tables it names. */
export function statementKind({ schema, text, whole }: Statement): StatementKind {
  const all = [...tokens(text)];
  const words = all.map(({ text: word, quoted }) => (quoted ? '' : word.toLowerCase()));
  const first = words[0] ?? '';
  if (first === 'set' && words[1] === 'password') return definition('set password', [['mysql', '*']], !whole);
  if (first === 'set' && words.some((w, i) => (w === 'role' || w === 'default') && i < 3)) {
    return definition('set role', [['mysql', '*']], !whole);
  }
  if (brackets.has(first)) return { kind: 'bracket' };
  if (rowVerbs.has(first) || first === '' || first === '(') return { kind: 'rows' };
  if (first === 'grant' || first === 'revoke') return definition(first, [['mysql', '*']], !whole);
  const at = words.findIndex((word, i) => i > 0 && objects.has(word));
  const object = words[at] ?? '';
  const of = words[1] === 'temporary' ? `temporary ${object}` : object;
  const verb = object === '' ? first : `${first} ${of}`;
  if (object === 'database' || object === 'schema') {
    const name = all.slice(at + 1).find((token) => token.quoted || !skipped.has(token.text.toLowerCase()));
    // `alter database character set …` means the one it runs in.
    const named = name !== undefined && isName(name) ? name.text : schema;
    const tables: [string, string][] = [[named, '*']];
    if (schema !== '' && schema !== named) tables.push([schema, '*']);
    return definition(verb, tables, !whole);
  }
  if (systemObjects.has(object)) return definition(verb, [['mysql', '*']], !whole);
  const tables = tablesIn(all, schema);
  return definition(verb, tables, !whole || tables.length === 0);
}

const definition = (verb: string, tables: [string, string][], unsure: boolean): StatementKind => ({
  kind: 'definition',
  verb,
  tables,
  unsure,
});
