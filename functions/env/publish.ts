import { envOf } from './variables.ts';

/** Environment of the function `publish`. */
export const publishEnv = envOf('EVENT_BUS');
