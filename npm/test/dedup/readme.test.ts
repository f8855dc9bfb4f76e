import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

test("the README's server and client work together", async (t) => {
  const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
  const [, section = ""] = /## Deduplicated upload\n(.*?)\n## /s.exec(readme) ?? [];
  const [server, client] = [...section.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  // Within the package, so that it can import itself by name; on a port that is free.
  const folder = await mkdtemp(join(PACKAGE, "test-out", "readme-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const source = `import { openAsBlob } from "node:fs"; const file = await openAsBlob("a.mjs");`;
  const example = [server, source, client, "process.exit()"]
    .join("\n")
    .replaceAll("8080", String(20_000 + (process.pid % 20_000)));
  await writeFile(join(folder, "a.mjs"), example);
  const { stdout } = await promisify(execFile)(process.execPath, ["a.mjs"], { cwd: folder });
  assert.match(
    stdout,
    new RegExp(`${example.length} of ${example.length}\\n.*${example.length}\\n$`, "s"),
  );
  assert.deepEqual((await readdir(join(folder, "store"))).sort(), [
    "chunks",
    "damaged",
    "manifests",
    "tmp",
  ]);
});
