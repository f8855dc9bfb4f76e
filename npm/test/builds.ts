// The two WebAssembly modules of the package.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type * as Api from "chunker-cdc";
import * as api from "../dist/index.js";
import { runConformance, type Vectors } from "./conformance.js";
import { runRemoteExecution } from "./remote-execution.js";

export const BUILDS = { plain: "chunker.wasm", simd128: "chunker-simd128.wasm" } as const;
export type Build = keyof typeof BUILDS;

export const VECTORS = new URL("../../tests/conformance/vectors.json", import.meta.url);

export function moduleOf(build: Build): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../dist/${BUILDS[build]}`, import.meta.url)));
}

/** Runs the vectors on one build; a process can load only one. */
export async function conformInNode(build: Build): Promise<void> {
  await api.ready({ module: moduleOf(build) });
  await conform(api, `node ${build}`);
}

/** Runs the vectors, and those of the Remote Execution API if their input is there. */
export async function conform(api: typeof Api, where: string): Promise<void> {
  const vectors = JSON.parse(readFileSync(VECTORS, "utf8")) as Vectors;
  const { line, differences } = await runConformance(api, vectors, where);
  console.log(line);
  assert.deepEqual(differences, []);
  const input = remoteExecutionInput();
  if (input === undefined) return;
  const outcome = await runRemoteExecution(api, input, where);
  console.log(outcome.line);
  assert.deepEqual(outcome.differences, []);
}

/** The input of the vectors of the Remote Execution API; the environment names it. */
export function remoteExecutionInput(): Uint8Array<ArrayBuffer> | undefined {
  const file = process.env.REMOTE_EXECUTION_INPUT;
  return file ? new Uint8Array(readFileSync(file)) : undefined;
}
