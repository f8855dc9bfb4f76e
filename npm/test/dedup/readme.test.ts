import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MemoryServer } from "./memory-server.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

test("the README's uploads and downloads do what they say", async (t) => {
  const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
  const [, section = ""] = /## Deduplicated upload\n(.*?)\n## /s.exec(readme) ?? [];
  const snippets = [...section.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  assert.equal(snippets.length, 3);
  const server = await MemoryServer.listen(t);
  // Within the package, so that it can import itself by name.
  const folder = await mkdtemp(join(PACKAGE, "test-out", "readme-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const before = `import { openAsBlob } from "node:fs"; const file = await openAsBlob("v1.img");`;
  const example = [before, ...snippets, "process.exit()"]
    .join("\n")
    .replaceAll("8080", String(server.port));
  await writeFile(join(folder, "a.mjs"), example);
  const image = new Uint8Array(5_000_000).map((_, index) => index * index);
  await writeFile(join(folder, "v1.img"), image);
  const { stdout } = await promisify(execFile)(process.execPath, ["a.mjs"], { cwd: folder });
  assert.match(stdout, /5000000 of 5000000\n/);
  assert.match(stdout, /10000000 done\n1024\nsha256-[0-9a-f]{64} 5000000\n$/);
  assert.deepEqual(await readFile(join(folder, "v2.img")), Buffer.from(image));
  assert.equal(server.store.manifests.size, 0);
});

test("the README's server does what it says", async (t) => {
  const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
  const [, section = ""] = /## Upload server\n(.*?)\n## /s.exec(readme) ?? [];
  const snippets = [...section.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  assert.equal(snippets.length, 3);
  const folder = await mkdtemp(join(PACKAGE, "test-out", "readme-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const use = `
    import { once } from "node:events";
    import { createServer } from "node:http";
    import { HttpTransport, upload } from "chunker-cdc/dedup";
    const mounted = createServer(handler).listen(0, "127.0.0.1");
    await once(mounted, "listening");
    const baseUrl = "http://127.0.0.1:" + mounted.address().port;
    const headers = { authorization: "Bearer secret" };
    const sending = (fill, options) =>
      upload(new Uint8Array(5000).fill(fill), { transport: new HttpTransport(options) });
    await sending(0, { baseUrl: server.url });
    await sending(1, { baseUrl, headers });
    for (const options of [{ baseUrl, headers }, { baseUrl }]) {
      console.log(await sending(2, options).catch(({ code }) => code));
    }
    for (const options of [{ headers }, {}]) {
      console.log((await fetchHandler(new Request("http://x/files/v1", options))).status);
    }
    mounted.close();
    mounted.closeAllConnections();`;
  const [listen, mount, ...rest] = snippets;
  const example = [listen, mount, use, ...rest, "await server.close();"].join("\n");
  await writeFile(join(folder, "a.mjs"), example.replace("8080", "0").replace("10e9", "8e3"));
  const options = { cwd: folder };
  const { stdout } = await promisify(execFile)(process.execPath, ["a.mjs"], options);
  const lines = stdout.trim().split("\n");
  assert.match(lines[0] ?? "", /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(lines[1] ?? "", /^stored sha256-[0-9a-f]{64} 5000$/);
  // The quota has room for one upload.
  assert.deepEqual(lines.slice(2, 6), ["insufficient_storage", "unauthorized", "200", "401"]);
  assert.match(lines.slice(6).join("\n"), /^(sha256-[0-9a-f]{64} 5000 20.*\n1024\n){2}/);
  assert.match(lines.slice(10).join(""), /files: 0.* 0 true$/s);
});
