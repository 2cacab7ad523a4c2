import { createConnection } from 'node:net';

/** Whether a server of this protocol greets on a loopback port: its first packet begins with protocol version 10. */
export async function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('data', (bytes) => done(bytes.length > 5 && bytes[4] === 10));
  });
}
