// The tools whose formats the codecs have.

import { execFileSync } from "node:child_process";
import type { Codec } from "chunker-cdc/codecs";

/** Runs a codec's own tool as a filter. */
export function tool(codec: Codec, options: string[], data: Uint8Array): Uint8Array<ArrayBuffer> {
  const quiet = codec === "bzip2" ? [] : ["-q"];
  const output = execFileSync(codec, [...quiet, ...options, "-c"], {
    input: data,
    maxBuffer: 2 ** 30,
  });
  return new Uint8Array(output);
}

/** A tar archive of this repository's sources, made by `tar`. */
export function tarOfSources(): Uint8Array<ArrayBuffer> {
  const root = new URL("../../../", import.meta.url).pathname;
  const output = execFileSync("tar", ["-c", "-C", root, "src", "tests"], { maxBuffer: 2 ** 30 });
  return new Uint8Array(output);
}
