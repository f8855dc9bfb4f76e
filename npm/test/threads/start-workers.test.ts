// The pool is made of workers that wait for it: it would wait for the others forever.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setStart, startWorkers } from "../../dist/threads/start-workers.js";

const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });

test("no pool is made before something starts its workers, nor before all of them wait", async () => {
  const happened: unknown[] = [];
  const builder = { receiver: () => 1024, build: () => happened.push("built") };
  await assert.rejects(startWorkers(module, memory, builder));
  assert.equal(happened.length, 0);
  let wait = (): void => {};
  setStart((instance) => {
    happened.push(instance);
    return new Promise((resolve) => {
      wait = resolve;
    });
  });
  const started = startWorkers(module, memory, builder);
  await new Promise(setImmediate);
  assert.deepEqual(happened, [{ module, memory, receiver: 1024 }]);
  wait();
  await started;
  assert.deepEqual(happened.slice(1), ["built"]);
});
