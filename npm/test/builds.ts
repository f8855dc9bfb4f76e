// The two WebAssembly modules of the package.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as api from "../dist/index.js";
import { loadSync } from "../dist/load.js";
import { runConformance, type Vectors } from "./conformance.js";

export const BUILDS = { plain: "chunker.wasm", simd128: "chunker-simd128.wasm" } as const;
export type Build = keyof typeof BUILDS;

export const VECTORS = new URL("../../tests/conformance/vectors.json", import.meta.url);

export function moduleOf(build: Build): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../dist/${BUILDS[build]}`, import.meta.url)));
}

/** Runs the vectors on one build; a process can load only one. */
export async function conformInNode(build: Build): Promise<void> {
  loadSync(moduleOf(build));
  const vectors = JSON.parse(readFileSync(VECTORS, "utf8")) as Vectors;
  const { line, differences } = await runConformance(api, vectors, `node ${build}`);
  console.log(line);
  assert.deepEqual(differences, []);
}
