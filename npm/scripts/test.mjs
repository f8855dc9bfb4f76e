// Compiles the tests and runs one tier of them: `node scripts/test.mjs node|wasm|browser|browsers|package|bundlers|serve`.
// Those of Node run on the native addon, unless CHUNKER_BACKEND says otherwise.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const TIERS = {
  node: /\.test\.js$/,
  // Conformance and laws, on WebAssembly.
  wasm: /(conformance\.backend|codecs\/conformance|laws|errors|pool|codecs|threads)\.test\.js$/,
  browser: /\.browser\.js$/,
  browsers: /\.browsers\.js$/,
  package: /\.package\.js$/,
  bundlers: /\.bundlers\.js$/,
  // The client against the command that CHUNKER_SERVE names.
  serve: /dedup\/transfer\.test\.js$/,
};
/** Time limit for each test file, in milliseconds: one that hangs is named and fails. */
const MOST_MS = 30 * 60 * 1000;

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const [tier, ...patterns] = process.argv.slice(2);
const names = TIERS[tier];
if (names === undefined)
  fail(`usage: node scripts/test.mjs ${Object.keys(TIERS).join("|")} [NAME]`);
// `make demo` builds only the first of these.
for (const part of ["glue.js", "threads/glue.js", "debug/glue.js"]) {
  if (!existsSync(join("dist", part))) fail(`dist/ lacks ${part}: run \`make package\` first`);
}
// Packed packages choose for themselves.
if (!["package", "bundlers"].includes(tier)) {
  process.env.CHUNKER_BACKEND ??= tier === "wasm" ? "wasm" : "native";
}
if (tier === "serve" && !process.env.CHUNKER_SERVE) fail("CHUNKER_SERVE must name the command");

rmSync("test-out", { recursive: true, force: true });
execFileSync("node_modules/.bin/tsc", ["-p", "test"], { stdio: "inherit" });
const files = readdirSync("test-out", { recursive: true })
  .filter((file) => names.test(file) && patterns.every((pattern) => file.includes(pattern)))
  .map((file) => join("test-out", file));
if (files.length === 0) fail(`no tests match ${names}`);
// Two at a time: some measure memory or start browsers. Those of bundlers share a folder.
const concurrency = tier === "bundlers" ? 1 : 2;
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-reporter=spec",
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${MOST_MS}`,
    ...files.sort(),
  ],
  { stdio: "inherit" },
);
process.exit(status ?? 1);

function fail(message) {
  console.error(message);
  process.exit(1);
}
