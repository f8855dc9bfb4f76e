import { test } from "node:test";
import * as api from "chunker-cdc";
import { conform } from "./builds.js";

test("the package in Node, which hashes by OpenSSL, agrees with the vectors", () =>
  conform(api, "node openssl"));
