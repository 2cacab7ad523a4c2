import { Agent, get } from 'node:http';

/**
 * `node raw-download.ts <url> <connections> <bytes>/<key> …`: gets objects in ranges of 8 MiB over kept connections and
 * forgets what comes; writes the seconds that took. As little as a client can do.
 */
const [url = '', connections = '1', ...objects] = process.argv.slice(2);
const rangeBytes = 8 * 1024 * 1024;
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });

const ranges = objects.flatMap((object) => {
  const slash = object.indexOf('/');
  const [bytes, key] = [Number(object.slice(0, slash)), object.slice(slash + 1)];
  return Array.from({ length: Math.ceil(bytes / rangeBytes) }, (_, n) => ({
    key,
    from: n * rangeBytes,
    to: Math.min((n + 1) * rangeBytes, bytes) - 1,
  }));
});

const fetchRange = ({ key, from, to }: (typeof ranges)[number]) =>
  new Promise<void>((resolve, reject) => {
    const request = get(`${url}/${key}`, { agent, headers: { range: `bytes=${from}-${to}` } }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.once('end', () =>
        bytes === to - from + 1 ? resolve() : reject(new Error(`${bytes} bytes of ${key} came`)),
      );
    });
    request.once('error', reject);
  });

const started = performance.now();
const lane = async () => {
  for (let next = ranges.shift(); next !== undefined; next = ranges.shift()) await fetchRange(next);
};
await Promise.all(Array.from({ length: Number(connections) }, lane));
process.stdout.write(`${(performance.now() - started) / 1000}\n`);
agent.destroy();
