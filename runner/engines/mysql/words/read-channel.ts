import type { Channel } from '../channels.ts';
import type { Row } from '../session.ts';

/** What a flavour calls what its list of channels says. */
export type ChannelColumns = {
  name: string;
  receiving: string;
  applying: string;
  lag: string;
  /** Columns that hold a filter where they hold anything. */
  filters: readonly string[];
};

/** Filters that both flavours have. */
export const commonFilters = [
  'Replicate_Do_DB',
  'Replicate_Ignore_DB',
  'Replicate_Do_Table',
  'Replicate_Ignore_Table',
  'Replicate_Wild_Do_Table',
  'Replicate_Wild_Ignore_Table',
  'Replicate_Ignore_Server_Ids',
];

/** Reads one row of a server's list of channels. */
export const makeReadChannel =
  (columns: ChannelColumns) =>
  (row: Row): Channel => {
    const lag = row[columns.lag];
    return {
      name: row[columns.name] ?? '',
      // `Connecting` and `Preparing` are no `Yes`: a replica that cannot reach its source is not healthy.
      receiving: row[columns.receiving] === 'Yes',
      applying: row[columns.applying] === 'Yes',
      lagSeconds: lag === null || lag === undefined ? null : Number(lag),
      delaySeconds: Number(row.SQL_Delay ?? 0),
      filters: columns.filters.filter((column) => (row[column] ?? '') !== '').map((c) => `${c}=${row[c]}`),
      error: [row.Last_IO_Error, row.Last_SQL_Error].filter((text) => (text ?? '') !== '').join('; '),
    };
  };
