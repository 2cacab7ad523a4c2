import { describe, expect, it } from 'vitest';
import { type Executions, makeExecutions } from '../../../../functions/clients/executions.ts';
import { lookedUpAtMost, looksOfPass } from '../../../../functions/reconcile/looks.ts';

const machine = 'arn:aws:states:eu-central-1:111122223333:stateMachine:holdfast-backup';
const arn = (i: number) => `arn:e${i}`;

function looks(runningAtMost: number) {
  const asked = { describe: 0, running: 0 };
  const executions: Executions = {
    describe: async () => {
      asked.describe++;
      return { status: 'succeeded' };
    },
    running: async () => {
      asked.running++;
      return new Set(Array.from({ length: runningAtMost }, (_, i) => arn(i)));
    },
    start: async () => ({ outcome: 'exists', executionArn: '' }),
  };
  return { asked, look: looksOfPass(executions, machine).describe };
}

describe('the looks of a pass at executions', () => {
  it('are one by one in a small fleet, without a list', async () => {
    const { asked, look } = looks(5000);
    for (let i = 0; i < lookedUpAtMost; i++) expect(await look(arn(i))).toEqual({ status: 'succeeded' });
    expect(asked).toEqual({ describe: lookedUpAtMost, running: 0 });
  });

  it('at 5,000 that run are one list, and one by one at those alone that do not', async () => {
    const { asked, look } = looks(5000);
    const ends = await Promise.all(Array.from({ length: 5002 }, (_, i) => look(arn(i))));
    expect(ends.filter(({ status }) => status === 'open')).toHaveLength(5000 - lookedUpAtMost);
    expect(ends.slice(-2)).toEqual([{ status: 'succeeded' }, { status: 'succeeded' }]);
    expect(asked).toEqual({ describe: lookedUpAtMost + 2, running: 1 });
  });

  it('go through all pages of the list, and take no execution for running that is not', async () => {
    const pages = [
      { executions: [{ executionArn: arn(1), status: 'RUNNING' }], nextToken: 'next' },
      {
        executions: [
          { executionArn: arn(2), status: 'RUNNING' },
          { executionArn: arn(3), status: 'FAILED' },
        ],
      },
    ];
    const executions = makeExecutions({ send: async () => pages.shift() } as never);
    expect(await executions.running(machine)).toEqual(new Set([arn(1), arn(2)]));
  });
});
