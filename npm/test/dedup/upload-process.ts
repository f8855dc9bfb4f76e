// An upload in a process of its own, to be killed: `upload-process.js BASE_URL PATH`.

import { openAsBlob } from "node:fs";
import { HttpTransport, upload } from "chunker-cdc/dedup";
import { SMALL } from "./support.js";

const [baseUrl = "", path = ""] = process.argv.slice(2);
const transport = new HttpTransport({ baseUrl });
const file = await openAsBlob(path);
process.send?.("begins");
// Small packs: something has arrived at most moments.
await upload(file, { transport, profile: SMALL, maxBytesInFlight: 1024 * 1024 });
