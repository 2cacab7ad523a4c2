import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { quoteOption } from '../option-file.ts';

type Variables = Readonly<Record<string, string>>;

/** Words, numbers and lists of them: no path, no quote and no line break, whatever a host writes into its manifest. */
export const plainValue = /^[\w.,:;+ -]{1,1000}$/;

/**
 * What statements of a log take from their server without naming it: definitions without an engine, values of functions,
 * what MariaDB calls utf8.
 */
export const carriedForStatements = [
  'default_storage_engine',
  'old_mode',
  'group_concat_max_len',
  'div_precision_increment',
  'default_week_format',
];

/** One line of an option file. */
export const configLine = (name: string, value: string | number): string =>
  `${name}=${quoteOption(String(value))}`;

/** Variables whose empty value is one of their values. */
const mayBeEmpty = new Set(['sql_mode', 'old_mode']);

/** Lines for those of the variables that the new server takes over: plain values only, and an empty one where it means something. */
export const carriedLines = (names: readonly string[], variables: Variables): string[] =>
  names.flatMap((name) => {
    const value = variables[name];
    if (value === undefined || (value === '' && !mayBeEmpty.has(name))) return [];
    return value === '' || plainValue.test(value) ? [configLine(name, value)] : [];
  });

/** Lines for the libraries of plugins that the old server had loaded. */
export const pluginLines = ({ plugin_libraries = '' }: Variables): string[] =>
  plugin_libraries
    .split(',')
    .filter((library) => /^[A-Za-z0-9_.-]+$/.test(library))
    .map((library) => configLine('plugin-load-add', library));

/** The whole file, under a heading that says what the server is. */
export const configText = (
  section: 'mariadbd' | 'mysqld',
  { backupId, clusterId }: Pick<Manifest, 'backupId' | 'clusterId'>,
  lines: readonly string[],
): string =>
  [
    `# Backup ${backupId} of ${clusterId}, restored by holdfast and not accepted yet:`,
    '# loopback only, read-only, without replication, events and binary log.',
    `[${section}]`,
    ...lines,
    '',
  ].join('\n');
