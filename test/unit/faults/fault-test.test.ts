import { describe, expect, it } from 'vitest';
import { underFaults } from '../../faults/fault-test.ts';

describe('a test of faults', () => {
  it('passes when every planned fault was hit and the end state asserted', async () => {
    await underFaults(['F01', 'M06'], async ({ hit, endState }) => {
      hit('F01');
      hit('M06');
      hit('F01');
      await endState(() => expect(1).toBe(1));
    });
  });

  it('fails when a planned fault was not hit', async () => {
    const run = underFaults(['F01', 'F02'], async ({ hit, endState }) => {
      hit('F01');
      await endState(() => expect(1).toBe(1));
    });
    await expect(run).rejects.toThrow('F02 was planned and not hit');
  });

  it('fails when a fault is hit after the end state was looked at', async () => {
    const run = underFaults(['F01'], async ({ hit, endState }) => {
      await endState(() => expect(1).toBe(1));
      hit('F01');
    });
    await expect(run).rejects.toThrow('F01 was planned and not hit');
  });

  it('fails when an unplanned fault is hit', async () => {
    const run = underFaults(['F01'], async ({ hit }) => hit('F03'));
    await expect(run).rejects.toThrow('F03 was hit and is not planned');
  });

  it('fails when the end state is not looked at, or nothing of it is asserted', async () => {
    await expect(underFaults(['F01'], async ({ hit }) => hit('F01'))).rejects.toThrow('no end state');
    const thrown: unknown = await underFaults(['F01'], async ({ hit, endState }) => {
      hit('F01');
      await endState(() => {});
    }).catch((error: unknown) => error);
    expect(String(thrown)).toContain('not asserted');
  });

  it('fails when nothing is planned', async () => {
    await expect(underFaults([], async () => {})).rejects.toThrow('no fault is planned');
  });
});
