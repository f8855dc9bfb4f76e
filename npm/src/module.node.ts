// The default module in Node: embedded in JavaScript, with the platform's SHA-256.

import { createHash } from "node:crypto";
import { text as plain } from "#inline/chunker";
import { text as simd128 } from "#inline/chunker-simd128";
import { setRunningSha256 } from "./cutter/sha256.js";
import { unpacked } from "./inline.node.js";
import { setSyncSource, simdSupported } from "./load.js";

/** Makes the module available, for processes without the addon. */
export function useModule(): void {
  setSyncSource(() => unpacked(simdSupported() ? simd128 : plain));
  setRunningSha256(() => createHash("sha256"));
}
