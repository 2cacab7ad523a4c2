import { disagreements, type ListedFault, type PlannedTest, summary } from './listed.ts';
import { readAll, sourceOf } from './read-all.ts';

/** Where a fault is tested, or what it waits for. */
function place({ number, here }: ListedFault, tests: readonly PlannedTest[]): string {
  if (here.status === 'excluded') return here.by;
  if (here.status === 'to come') return here.with;
  const own = tests.filter((test) => test.planned.includes(number));
  return [...new Set(own.map((test) => test.file))]
    .map((file) => file.replace('test/faults/', ''))
    .join(', ');
}

const { listed, tests } = readAll();
for (const row of listed) {
  console.log(`${row.number}  ${row.here.status.padEnd(8)}  ${row.fault}`);
  console.log(`${' '.repeat(15)}${place(row, tests)}`);
}
const wrong = disagreements(listed, tests, sourceOf);
for (const line of wrong) console.log(`wrong: ${line}`);
console.log(summary(listed));
process.exitCode = wrong.length === 0 ? 0 : 1;
