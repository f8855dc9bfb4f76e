// The native addon in Node. Each platform has its own package, and npm installs the one that fits.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import * as nodeModule from "node:module";
import { availableParallelism } from "node:os";
import process from "node:process";
import type * as codecs from "./codecs/glue.js";
import { ChunkerError, counted } from "./errors.js";
import type * as chunking from "./glue.js";
import { type Addon, setAddon } from "./native.js";
import { VERSION } from "./version.js";

/** The addon has the classes and functions of both modules, under the same names. */
type WholeAddon = Addon & typeof chunking & typeof codecs;

/** Platforms with an addon; `npm/scripts/addons.mjs` makes their packages. */
const PLATFORMS = [
  "linux-x64-gnu",
  "linux-x64-musl",
  "linux-arm64-gnu",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
  "win32-x64-gnu",
];

/** Returns the packages that may have an addon for this process, best first. */
function candidates(): string[] {
  const { arch, platform } = process;
  const kinds = { linux: ["-gnu", "-musl"], win32: ["-gnu"] }[platform as string] ?? [""];
  return kinds.map((kind) => `chunker-cdc-${platform}-${arch}${kind}`);
}

/** Why this process has no addon. */
const reasons: string[] = [];

/** The length of a 64-bit ELF header, and the offsets of its fields about the section table. */
const ELF = { head: 64, sections: 0x28, entryBytes: 0x3a, entries: 0x3c };

/**
 * Throws if the end of a Linux library is missing, as after a copy to a full disk. The system would load it
 * anyway, and kill the process at the first access to the missing part. The section table is at the end.
 */
function checkWhole(path: string): void {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(ELF.head);
    if (readSync(file, head) < ELF.head || head.toString("latin1", 0, 4) !== "\x7fELF") return;
    const sections = head.readUInt16LE(ELF.entryBytes) * head.readUInt16LE(ELF.entries);
    const end = Number(head.readBigUInt64LE(ELF.sections)) + sections;
    const { size } = fstatSync(file);
    if (size < end) throw new Error(`the file is cut off: it has ${size} of ${end} bytes`);
  } finally {
    closeSync(file);
  }
}

function load(name: string): WholeAddon {
  // Bundlers recognize an imported `createRequire` and would look for the addon themselves.
  const { createRequire } = process.getBuiltinModule?.("node:module") ?? nodeModule;
  const resolver = createRequire(import.meta.url);
  if (process.platform === "linux") checkWhole(resolver.resolve(name));
  const found: WholeAddon = resolver(name);
  const version = found.version();
  if (version !== VERSION) throw new Error(`its version is ${version} (expected ${VERSION})`);
  return found;
}

function choose(): WholeAddon | undefined {
  const wanted = environment("CHUNKER_BACKEND");
  if (wanted === "wasm") {
    reasons.push("CHUNKER_BACKEND is wasm");
    return undefined;
  }
  if (wanted !== undefined && wanted !== "native") {
    const message = `CHUNKER_BACKEND is ${JSON.stringify(wanted)} (expected native or wasm)`;
    throw counted(new ChunkerError("invalid_environment", message));
  }
  for (const name of candidates()) {
    try {
      return load(name);
    } catch (error) {
      reasons.push(`${name}: ${String((error as Error)?.message ?? error).split("\n", 1)}`);
    }
  }
  if (wanted === undefined) return undefined;
  throw unavailable();
}

/** Returns the error for using the addon in a process that has none. */
export function unavailable(): ChunkerError {
  const message =
    `no native addon for this process: ${reasons.join("; ")} ` +
    `(available for ${PLATFORMS.join(", ")})`;
  return counted(new ChunkerError("native_unavailable", message));
}

function environment(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined; // Deno requires a permission
  }
}

/** The addon of this process, unless it runs WebAssembly. */
export const native = choose();
if (native !== undefined) setAddon(native, availableParallelism());
