// The tools whose formats the codecs have.

import { execFileSync } from "node:child_process";
import type { Codec } from "chunker-cdc/codecs";

const SOURCES = ["src", "store/src", "tests/suite"];

/** Runs a codec's own tool as a filter. */
export function tool(codec: Codec, options: string[], data: Uint8Array): Uint8Array<ArrayBuffer> {
  const quiet = codec === "bzip2" ? [] : ["-q"];
  const output = execFileSync(codec, [...quiet, ...options, "-c"], {
    input: data,
    maxBuffer: 2 ** 30,
  });
  return new Uint8Array(output);
}

/** A tar archive of some sources of this repository, made by `tar`. Longer than a block of bzip2, 900 KB. */
export function tarOfSources(): Uint8Array<ArrayBuffer> {
  const root = new URL("../../../", import.meta.url).pathname;
  const output = execFileSync("tar", ["-c", "-C", root, ...SOURCES], { maxBuffer: 2 ** 30 });
  return new Uint8Array(output);
}
