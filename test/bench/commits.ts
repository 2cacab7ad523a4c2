import { createConnection } from 'mysql2/promise';

/**
 * `node commits.ts <socket> <transactions per second> <seconds>`: small transactions at a steady rate, over as many
 * connections as that needs. A process of its own; says at its end how many it committed and in how many seconds.
 */
const [socketPath, rate, seconds] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const connections = 16;
const began = performance.now();
let committed = 0;

async function commits(): Promise<void> {
  const connection = await createConnection({ socketPath, user: 'root', database: 'bench' });
  while (performance.now() - began < seconds * 1000) {
    if (committed >= ((performance.now() - began) / 1000) * rate) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    committed += 1;
    await connection.query("INSERT INTO orders (note) VALUES (REPEAT('n', 200))");
  }
  await connection.end();
}

await Promise.all(Array.from({ length: connections }, commits));
console.log(JSON.stringify({ committed, seconds: (performance.now() - began) / 1000 }));
