import { NamedError } from '../contract/errors/named-error.ts';

/** Name of each weekday as EventBridge Scheduler spells it, by its number in a five-field cron. */
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];

type Field = { name: string; min: number; max: number; names?: Record<string, number> };

const named = (list: string[], first: number) => Object.fromEntries(list.map((n, i) => [n, i + first]));

const fields: Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: named(months, 1) },
  { name: 'weekday', min: 0, max: 7, names: named(weekdays, 0) },
];

/** The numbers one field stands for, ascending; every form but `*`, numbers, names, lists, ranges and steps is refused. */
function valuesOf(text: string, field: Field): number[] {
  const refuse = (why: string) =>
    new NamedError('Settings.Invalid', `${field.name} "${text}" ${why}`, { field: field.name, value: text });
  const numberOf = (word: string) => {
    const value = field.names?.[word.toUpperCase()] ?? (/^\d{1,2}$/.test(word) ? Number(word) : Number.NaN);
    if (!(value >= field.min && value <= field.max)) {
      throw refuse(`must lie between ${field.min} and ${field.max}; lists, ranges and steps are understood`);
    }
    return value;
  };
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', step, ...more] = part.split('/');
    const every = step === undefined ? 1 : Number(step);
    if (more.length > 0 || !Number.isInteger(every) || every < 1)
      throw refuse('has a step that is no number');
    if (step !== undefined && range !== '*' && !range.includes('-')) {
      throw refuse('steps from a single value; write a range');
    }
    const [from = '', to, ...rest] = range.split('-');
    if (rest.length > 0) throw refuse('is no range');
    const low = range === '*' ? field.min : numberOf(from);
    const high = range === '*' ? (field.max === 7 ? 6 : field.max) : to === undefined ? low : numberOf(to);
    if (high < low) throw refuse('is a range that runs backwards');
    for (let value = low; value <= high; value += every) found.add(field.max === 7 ? value % 7 : value);
  }
  return [...found].sort((a, b) => a - b);
}

/** Ascending numbers as a list in which three or more neighbours become a range: `1-5,8`. */
function listed(values: number[]): string {
  const runs: [number, number][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last && last[1] === value - 1) last[1] = value;
    else runs.push([value, value]);
  }
  return runs
    .flatMap(([from, to]) =>
      to - from > 1 ? [`${from}-${to}`] : from === to ? [`${from}`] : [`${from}`, `${to}`],
    )
    .join(',');
}

/**
 * A five-field cron as EventBridge Scheduler writes it: six fields with a year, one of the two day fields `?`,
 * weekdays by name because its numbers begin at Sunday = 1. Steps are written out, so that both sides read the
 * same instants. Refused (Settings.Invalid): both day fields set, which cron reads as "or" and Scheduler cannot say.
 */
export function scheduleCron(cron: string): string {
  const texts = cron.trim().split(/\s+/);
  if (texts.length !== fields.length) {
    throw new NamedError('Settings.Invalid', `"${cron}" must have five fields`, { value: cron });
  }
  const values = fields.map((field, i) => valuesOf(texts[i]!, field));
  const [minute, hour, day, month] = fields
    .slice(0, 4)
    .map((field, i) => (values[i]!.length === field.max - field.min + 1 ? '*' : listed(values[i]!)));
  const everyWeekday = values[4]!.length === 7;
  if (day !== '*' && !everyWeekday) {
    throw new NamedError(
      'Settings.Invalid',
      `"${cron}" sets both day of month and weekday; set one and leave the other "*"`,
      { value: cron },
    );
  }
  const weekday = everyWeekday ? '?' : values[4]!.map((n) => weekdays[n]).join(',');
  return `cron(${minute} ${hour} ${everyWeekday ? day : '?'} ${month} ${weekday} *)`;
}
