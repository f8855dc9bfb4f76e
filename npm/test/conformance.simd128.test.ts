import { test } from "node:test";
import { conformInNode } from "./builds.js";

test("the simd128 module agrees with the vectors", () => conformInNode("simd128"));
