import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { backend } from "chunker-cdc";
import * as api from "chunker-cdc/codecs";
import { runConformance, VECTORS, type Vectors } from "./conformance.js";

test("the codecs of the back end agree with the vectors", async () => {
  const vectors = JSON.parse(readFileSync(VECTORS, "utf8")) as Vectors;
  const { line, differences } = await runConformance(api, vectors, `node ${backend()}`);
  console.log(line);
  assert.deepEqual(differences, []);
});
