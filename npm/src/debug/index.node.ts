// `chunker-cdc/debug` in Node.

import { createHash } from "node:crypto";
import { text } from "#inline/chunker-debug";
import "../index.node.js";
import { type RunningDigest, setRunningSha256 } from "../cutter/sha256.js";
import { unpacked } from "../inline.node.js";
import { useModule } from "../module.node.js";
import { dropAddon } from "../native.js";
import { beginSpan } from "../spans.js";
import { setPreparation } from "./index.js";
import { setSyncSource } from "./load.js";

setSyncSource(() => unpacked(text));
setPreparation(async () => {
  dropAddon();
  useModule();
  setRunningSha256(shownSha256);
});

function shownSha256(): RunningDigest {
  const hash = createHash("sha256");
  return {
    update(bytes) {
      const end = beginSpan("trace", "hashing", { bytes: bytes.length });
      hash.update(bytes);
      end();
    },
    digest: () => hash.digest(),
  };
}

export * from "./index.js";
