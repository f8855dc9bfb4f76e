// A file's life in a store of the native addon, as one line: uploaded over HTTP by its path, known when it is
// uploaded again, downloaded, deleted and collected.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backend } from "chunker-cdc";
import { download, HttpTransport, upload } from "chunker-cdc/dedup";
import { createUploadServer, Store } from "chunker-cdc/dedup/server";

const folder = mkdtempSync(join(tmpdir(), "store-"));
const file = join(folder, "file");
const data = new Uint8Array(9_000_000).map((_, index) => (index * index) >> 7);
writeFileSync(file, data);

const store = await Store.open(join(folder, "files"));
const server = await createUploadServer({ store });
const transport = new HttpTransport({ baseUrl: server.url });

const first = await upload(file, { transport });
assert.equal(first.bytesSent + first.bytesSaved, data.length);
const again = await upload(file, { transport });
assert.deepEqual([again.root, again.bytesSent], [first.root, 0]);
await download(first.root, { transport }).writeTo(join(folder, "copy"));
assert.ok(readFileSync(join(folder, "copy")).equals(readFileSync(file)));
await server.close();

assert.ok((await store.check({ readData: true })).sound);
await store.delete(first.root);
await store.collect();
for await (const { root } of store.files()) assert.fail(`${root} is still there`);
rmSync(folder, { recursive: true });
console.log(`${backend()}: a file uploaded, known, downloaded, checked, deleted`);
