// Uploads whose chunks are found by a pool.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ChunkerError } from "chunker-cdc";
import { download, upload } from "chunker-cdc/dedup";
import { ChunkerPool } from "chunker-cdc/pool";
import { collect, MemoryTransport, randomBytes } from "../dedup/support.js";

const profile = "medium";
const data = randomBytes(9_000_001, 1);
const pool = new ChunkerPool({ workers: 2 });

after(() => pool.close());

/** Counts the bytes that this thread reads of it; the pool's workers read copies of the Blob. */
class WatchedBlob extends Blob {
  bytesRead = 0;

  override slice(start?: number, end?: number, type?: string): Blob {
    const part = super.slice(start, end, type);
    const read = part.arrayBuffer.bind(part);
    part.arrayBuffer = () => {
      this.bytesRead += part.size;
      return read();
    };
    return part;
  }
}

test("with a pool the same is uploaded, of every kind of source", async () => {
  const sources = {
    bytes: data,
    blob: new Blob([data]),
    "short bytes": data.slice(0, 99_999),
    stream: new Blob([data]).stream(),
  };
  for (const [name, source] of Object.entries(sources)) {
    const transport = new MemoryTransport();
    const wanted = name === "short bytes" ? data.slice(0, 99_999) : data;
    const { root, bytesSent } = await upload(source, { transport, profile, pool });
    const without = await upload(wanted, { transport, profile });
    assert.equal(root, without.root, name);
    assert.equal(bytesSent, wanted.length, name);
    const downloaded = await collect(download(root, { transport }));
    assert.ok(downloaded.equals(wanted), name);
  }
});

test("only chunks that the server lacks are read by the calling thread", async () => {
  const transport = new MemoryTransport();
  await upload(data, { transport, profile });
  const edited = data.slice();
  edited[5_000_000] = 255 - (edited[5_000_000] ?? 0);
  const source = new WatchedBlob([edited]);
  transport.calls.clear();
  const { bytesSent } = await upload(source, { transport, profile, pool });
  assert.ok(bytesSent > 0 && bytesSent < 1_000_000, `${bytesSent} bytes sent`);
  // One byte more for each commit: the file is opened again before it.
  assert.equal(source.bytesRead, bytesSent + (transport.calls.get("putManifest") ?? 0));
});

test("a pool that is closed is an error of the upload", async () => {
  const closed = new ChunkerPool();
  const reading = upload(data, {
    transport: new MemoryTransport(),
    profile,
    pool: closed,
    onChunk: () => void closed.close(),
  });
  await assert.rejects(reading, (error) => {
    assert.ok(error instanceof ChunkerError);
    assert.equal(error.code, "chunker_closed");
    return true;
  });
});
