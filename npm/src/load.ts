// Loading of the WebAssembly module. An entry file says where it is; everything else asks `core()`.

import { ChunkerError } from "./errors.js";
import * as glue from "./glue.js";

/** A module with one function that uses a `v128`: it validates where SIMD is supported. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
]);

/** Where a module comes from: fetched, or bytes. */
export type ModuleSource = () => Promise<Response | BufferSource>;

let loaded = false;
let loading: Promise<void> | undefined;
let source: ModuleSource | undefined;

/** Whether this engine runs the module built with simd128. */
export function simdSupported(): boolean {
  return WebAssembly.validate(SIMD_PROBE);
}

/** Says where {@link load} finds the module. The first source wins. */
export function setSource(from: ModuleSource): void {
  source ??= from;
}

/** Loads the module from bytes, at once. */
export function loadSync(bytes: BufferSource): void {
  if (!loaded) {
    glue.initSync({ module: bytes });
    loaded = true;
  }
}

/** Loads the module from its source, once. `ready()` is the public name of this. */
export function load(): Promise<void> {
  loading ??= instantiate().catch((cause: unknown) => {
    loading = undefined;
    throw new ChunkerError("not_ready", "the WebAssembly module could not be loaded", { cause });
  });
  return loading;
}

async function instantiate(): Promise<void> {
  if (loaded) return;
  if (source === undefined) throw new Error("no entry file of the package was imported");
  const from = await source();
  if (from instanceof Response && !from.ok) throw new Error(`${from.url}: status ${from.status}`);
  await glue.init({ module_or_path: from });
  loaded = true;
}

/**
 * The functions of the loaded module.
 *
 * @throws {ChunkerError} `not_ready` before {@link load} has resolved.
 */
export function core(): typeof glue {
  if (!loaded) throw new ChunkerError("not_ready", "await ready() before using this");
  return glue;
}
