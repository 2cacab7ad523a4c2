import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import type { Environment } from './environment.ts';
import type { Rights } from './rights.ts';

/** What every construct of the control plane is given. */
export type Parts = { settings: Settings; names: Names; environment: Environment; rights: Rights };
