import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as api from "chunker-wasm";
import { VECTORS } from "./builds.js";
import { runConformance, type Vectors } from "./conformance.js";

test("the package in Node, which hashes by OpenSSL, agrees with the vectors", async () => {
  const vectors = JSON.parse(readFileSync(VECTORS, "utf8")) as Vectors;
  const { line, differences } = await runConformance(api, vectors, "node openssl");
  console.log(line);
  assert.deepEqual(differences, []);
});
