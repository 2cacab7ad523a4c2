import { describe, expect, it } from 'vitest';
import { dispatchEnv } from '../../../functions/env/dispatch.ts';
import { planEnv } from '../../../functions/env/plan.ts';
import { readEnv } from '../../../functions/env/read.ts';

describe('the environment of a function', () => {
  it('is read with its JSON opened, and without what is not its own', () => {
    const site = { bucket: 'example-site', region: 'eu-central-1', account: '111122223333' };
    const env = {
      CATALOG_TABLE: 'c-t',
      JOBS_TABLE: 'j-t',
      SITES: JSON.stringify({ frankfurt: site }),
      HOME: '/',
    };
    expect(readEnv(planEnv, env)).toEqual({
      CATALOG_TABLE: 'c-t',
      JOBS_TABLE: 'j-t',
      SITES: { frankfurt: site },
    });
  });

  it('is refused with the name of every variable that is wrong', () => {
    const env = { CATALOG_TABLE: 'c-t', HOST_PLACES: '{"frankfurt":{}}' };
    expect(() => readEnv(dispatchEnv, env)).toThrow(/JOBS_TABLE: .*HOST_PLACES/);
    expect(() => readEnv(dispatchEnv, { ...env, HOST_PLACES: '{' })).toThrow('HOST_PLACES: must be JSON');
  });
});
