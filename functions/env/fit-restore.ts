import { envOf } from './variables.ts';

/** Environment of the function `fit-restore`: it decides by its input alone. */
export const fitRestoreEnv = envOf();
