// `chunker-cdc/codecs` in Node: the module is loaded when it is first needed.

import { text } from "#inline/chunker-codecs";
import { unpacked } from "../inline.node.js";
import { setSyncSource } from "./load.js";

setSyncSource(() => unpacked(text));

export * from "./index.js";
