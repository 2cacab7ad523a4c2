import type { Dispatcher } from 'undici';
import type { Log } from '../engines/engine.ts';
import type { Patience } from './retry.ts';
import type { Sign } from './sign.ts';

/** How one bucket is reached: what every request to it needs. */
export type Wire = {
  dispatcher: Dispatcher;
  origin: string;
  sign: Sign;
  patience: Patience;
  log: Log;
};
