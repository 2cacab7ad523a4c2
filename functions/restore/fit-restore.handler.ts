import { mint } from '../backup/mint.ts';
import { makeHandler } from './fit-restore.ts';

export const handler = makeHandler({ mintJobId: mint.jobId });
