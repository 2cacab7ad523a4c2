import type { Session } from './session.ts';

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

/** All channels of a server; none on one that replicates from nobody. */
export async function readChannels(session: Session): Promise<Channel[]> {
  const { show, read } = session.words.channels;
  return (await session.rows(show)).map(read);
}
