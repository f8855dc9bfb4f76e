import { test } from "node:test";
import * as api from "chunker-cdc";
import { conform } from "./builds.js";

test("the package in Node, by its back end, agrees with the vectors", () => {
  const hashes = api.backend().startsWith("native") ? "" : ", SHA-256 by OpenSSL";
  return conform(api, `node ${api.backend()}${hashes}`);
});
