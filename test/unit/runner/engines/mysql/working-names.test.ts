import { describe, expect, it } from 'vitest';
import { isWorkingName, spaceName, workingName } from '../../../../../runner/engines/mysql/working-names.ts';

describe('names of unfinished tables', () => {
  it('are told from those of users, who may begin theirs alike', () => {
    const name = workingName('0123456789ab', 12);
    expect([name, spaceName(name)].map(isWorkingName)).toEqual([true, true]);
    for (const other of ['holdfast_notes', 'holdfast_0123456789ab', `${name}_old`, `my_${name}`, 'orders']) {
      expect(isWorkingName(other)).toBe(false);
    }
  });
});
