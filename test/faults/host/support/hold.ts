import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A way to the store that can be held: what is sent waits in it until it is let go, as on a network that neither loses
 * a connection nor moves a byte.
 */
export async function startHold(target: string) {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const queues = new Map<Socket, { store: Socket; bytes: Buffer[] }>();
  let held = false;
  let caught = 0;

  const server = createServer((request) => {
    const store = connect(Number(port), hostname);
    queues.set(request, { store, bytes: [] });
    for (const socket of [request, store]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        open.delete(socket);
        queues.delete(request);
        request.destroy();
        store.destroy();
      });
    }
    request.on('data', (bytes) => {
      if (held) {
        queues.get(request)?.bytes.push(bytes);
        caught++;
        request.pause();
      } else if (!store.write(bytes)) request.pause();
    });
    store.on('drain', () => {
      if (!held) request.resume();
    });
    store.pipe(request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: () => {
      held = true;
      caught = 0;
    },
    /** Requests that it has caught since it holds. */
    caught: () => caught,
    letGo: () => {
      held = false;
      for (const [request, { store, bytes }] of queues) {
        for (const piece of bytes.splice(0)) store.write(piece);
        request.resume();
      }
    },
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
