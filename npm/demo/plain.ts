// What deduplication is compared with: a whole file sent by `node:http` and written to the disk.

import { createReadStream, createWriteStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

/** Starts a server that writes each body to the file `to`; returns its address. */
export async function startPlainServer(to: string): Promise<string> {
  const server = createServer(async (incoming, response) => {
    try {
      await pipeline(incoming, createWriteStream(to));
      const file = await open(to);
      await file.sync();
      await file.close();
      response.end();
    } catch {
      response.destroy(); // the client is gone, or the disk is full
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Sends the file at `path` to a plain server; returns the seconds. */
export async function plainUpload(path: string, url: string, signal: AbortSignal): Promise<number> {
  const headers = { "content-length": (await stat(path)).size };
  const started = performance.now();
  const outgoing = request(url, { method: "PUT", headers, agent: false, signal });
  const answered = new Promise((resolve, reject) => {
    outgoing.once("response", (response) => response.resume().once("end", resolve));
    outgoing.once("error", reject);
  });
  const source = createReadStream(path, { highWaterMark: 1024 * 1024 });
  await Promise.all([pipeline(source, outgoing), answered]);
  return (performance.now() - started) / 1000;
}
