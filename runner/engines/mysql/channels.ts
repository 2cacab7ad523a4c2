import type { Row, Session } from './session.ts';

/** One replication channel of a replica. `lagSeconds` is null while the server cannot say. */
export type Channel = {
  name: string;
  receiving: boolean;
  applying: boolean;
  lagSeconds: number | null;
  delaySeconds: number;
  filters: string[];
  error: string;
};

const filterColumns = [
  'Replicate_Do_DB',
  'Replicate_Ignore_DB',
  'Replicate_Do_Table',
  'Replicate_Ignore_Table',
  'Replicate_Wild_Do_Table',
  'Replicate_Wild_Ignore_Table',
  'Replicate_Ignore_Server_Ids',
  'Replicate_Do_Domain_Ids',
  'Replicate_Ignore_Domain_Ids',
  'Replicate_Rewrite_DB',
];

/** Reads a row of MariaDB's SHOW ALL SLAVES STATUS. */
export function channelOf(row: Row): Channel {
  const lag = row.Seconds_Behind_Master;
  return {
    name: row.Connection_name ?? '',
    // `Connecting` and `Preparing` are no `Yes`: a replica that cannot reach its source is not healthy.
    receiving: row.Slave_IO_Running === 'Yes',
    applying: row.Slave_SQL_Running === 'Yes',
    lagSeconds: lag === null || lag === undefined ? null : Number(lag),
    delaySeconds: Number(row.SQL_Delay ?? 0),
    filters: filterColumns.filter((column) => (row[column] ?? '') !== '').map((c) => `${c}=${row[c]}`),
    error: [row.Last_IO_Error, row.Last_SQL_Error].filter((text) => (text ?? '') !== '').join('; '),
  };
}

/** All channels of a server; none on one that replicates from nobody. */
export async function readChannels(session: Session): Promise<Channel[]> {
  return (await session.rows('SHOW ALL SLAVES STATUS')).map(channelOf);
}
