import { test } from "node:test";
import { conformInNode } from "./builds.js";

test("the plain module agrees with the vectors", () => conformInNode("plain"));
