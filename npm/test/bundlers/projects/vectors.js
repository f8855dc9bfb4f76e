// All cases of the conformance vectors, by the compiled tests of the package.

import { readFileSync } from "node:fs";
import process from "node:process";
import * as chunking from "chunker-cdc";
import * as codecs from "chunker-cdc/codecs";
import { runConformance as runCodecs } from "./test-out/codecs/conformance.js";
import { runConformance } from "./test-out/conformance.js";

const cases = (name) => JSON.parse(readFileSync(`${process.env.VECTORS}/${name}.json`, "utf8"));
const where = chunking.backend();
const outcomes = [
  await runConformance(chunking, cases("vectors"), where),
  await runCodecs(codecs, cases("codecs"), where),
];
for (const { line, differences } of outcomes) {
  console.log(line);
  for (const difference of differences) console.log(difference);
  if (differences.length > 0) process.exitCode = 1;
}
