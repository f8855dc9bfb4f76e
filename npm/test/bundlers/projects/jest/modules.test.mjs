import { ChunkerError, chunk } from "chunker-cdc";
import { probe } from "./probe.js";

test("every part works", async () => {
  expect(await probe()).toBe(process.env.EXPECTED);
});

test("errors have their class", async () => {
  await expect(chunk(5)).rejects.toBeInstanceOf(ChunkerError);
});
