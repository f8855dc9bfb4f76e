// How the client waits for work that may be stopped.

import assert from "node:assert/strict";
import { test } from "node:test";
import { orReason } from "../../dist/dedup/retry.js";

test("only a result that comes after the stop is undone", async () => {
  const orders = [
    "stop, result",
    "result, stop",
    "result",
    "stop, failure",
    "stop unheard, result",
  ];
  for (const order of orders) {
    const stop = new AbortController();
    if (order.includes("unheard")) {
      stop.signal.addEventListener("abort", (event) => event.stopImmediatePropagation());
    }
    let settle = { resolve: (_: string) => {}, reject: (_: Error) => {} };
    const work = new Promise<string>((resolve, reject) => {
      settle = { resolve, reject };
    });
    const undone: string[] = [];
    const waiting = orReason(work, stop.signal, (result) => undone.push(result)).then(
      (result) => `got ${result}`,
      (reason: Error) => reason.message,
    );
    for (const step of order.split(", ")) {
      if (step.startsWith("stop")) stop.abort(new Error("stopped"));
      if (step === "result") settle.resolve("a file");
      if (step === "failure") settle.reject(new Error("failed"));
      if (order.startsWith("result")) await work; // so that it was handed on
    }
    const outcome = await waiting;
    await work.catch(() => {});
    const isStopped = order.startsWith("stop");
    assert.equal(outcome, isStopped ? "stopped" : "got a file", order);
    assert.deepEqual(undone, isStopped && order.endsWith("result") ? ["a file"] : [], order);
  }
});
