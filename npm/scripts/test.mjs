// Compiles the tests and runs one tier of them: `node scripts/test.mjs node|browser|package`.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ENDINGS = { node: ".test.js", browser: ".browser.js", package: ".package.js" };

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const [tier, ...patterns] = process.argv.slice(2);
const ending = ENDINGS[tier];
if (ending === undefined)
  fail(`usage: node scripts/test.mjs ${Object.keys(ENDINGS).join("|")} [NAME]`);
if (!existsSync("dist/glue.js")) fail("dist/ is missing: run `npm run build` first");

rmSync("test-out", { recursive: true, force: true });
execFileSync("node_modules/.bin/tsc", ["-p", "test"], { stdio: "inherit" });
const files = readdirSync("test-out", { recursive: true })
  .filter((file) => file.endsWith(ending) && patterns.every((pattern) => file.includes(pattern)))
  .map((file) => join("test-out", file));
if (files.length === 0) fail(`no tests end in ${ending}`);
// Two at a time: some measure memory or start browsers.
const { status } = spawnSync(
  process.execPath,
  ["--test", "--test-reporter=spec", "--test-concurrency=2", ...files.sort()],
  {
    stdio: "inherit",
  },
);
process.exit(status ?? 1);

function fail(message) {
  console.error(message);
  process.exit(1);
}
