import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that went through, and what was answered. */
export type Overheard = { path: string; target: string; sent: string; answered: string };

/**
 * Stands between a client and a service on loopback: passes everything on as it is, and remembers what `listensTo`
 * says is worth it.
 */
export async function startWireTap(to: string, listensTo: (of: { path: string; target: string }) => boolean) {
  const overheard: Overheard[] = [];
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/';
    const target = String(incoming.headers['x-amz-target'] ?? '');
    const listening = listensTo({ path, target });
    const sent: Buffer[] = [];
    const onward = request(
      `${to}${path}`,
      { method: incoming.method, headers: incoming.headers },
      (reply) => {
        const answered: Buffer[] = [];
        outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
        if (listening) {
          reply.on('data', (chunk: Buffer) => answered.push(chunk));
          reply.on('end', () =>
            overheard.push({
              path,
              target,
              sent: Buffer.concat(sent).toString(),
              answered: Buffer.concat(answered).toString(),
            }),
          );
        }
        reply.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    if (listening) incoming.on('data', (chunk: Buffer) => sent.push(chunk));
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    overheard,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
