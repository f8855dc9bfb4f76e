// `chunker-cdc/inline`: the module is inside a JavaScript file, for places where none can be fetched.

import { setSource, simdSupported } from "./load.js";

setSource(async () => {
  const { base64 } = await (simdSupported()
    ? import("./chunker-simd128.wasm.js")
    : import("./chunker.wasm.js"));
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
});

export * from "./index.js";
