// `chunker-cdc/codecs` in Node: by the native addon, or else by the module, which is loaded when it is
// first needed.

import { text } from "#inline/chunker-codecs";
import { native } from "../addon.node.js";
import { unpacked } from "../inline.node.js";
import { setSyncSource, use } from "./load.js";

if (native !== undefined) use(native);
else setSyncSource(() => unpacked(text));

export * from "./index.js";
