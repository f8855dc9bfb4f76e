// Where a module may come from, and what becomes of what is none.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Compiler, type Glue, Loader, type ModuleSource } from "../dist/loader.js";

/** The smallest module. */
const BYTES = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const MODULE = new WebAssembly.Module(BYTES);

function response(body: Uint8Array<ArrayBuffer> | string, type: string, status = 200): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

test("a module, its bytes and responses that carry them are taken", async () => {
  for (const from of [
    MODULE,
    BYTES,
    BYTES.buffer,
    new DataView(BYTES.buffer),
    response(BYTES, "application/wasm"),
    response(BYTES, "application/octet-stream"),
    Promise.resolve(BYTES),
  ]) {
    assert.ok((await new Compiler().compile(from)) instanceof WebAssembly.Module);
  }
});

test("what is no module is not_ready, and its cause says why", async () => {
  const cases: [from: object | (() => object), cause: RegExp][] = [
    [response("not found", "text/html", 404), /status 404/],
    [response("<!doctype html>", "text/html"), /magic/],
    [response("<!doctype html>", "application/wasm"), /magic/],
    [new Uint8Array(8), /magic/],
    [() => Promise.reject(new Error("offline")), /offline/],
  ];
  for (const [from, cause] of cases) {
    const given = typeof from === "function" ? from() : from;
    await assert.rejects(new Compiler().compile(given), (error: Error) => {
      assert.equal((error as Error & { code: string }).code, "not_ready");
      assert.match(String(error.cause), cause);
      return true;
    });
  }
  await assert.rejects(new Compiler().compile(), { code: "not_ready" });
  assert.throws(() => new Compiler().module(), { code: "not_ready" });
});

test("the next source is asked only where the one before has none, and the first error counts", async () => {
  const asked: string[] = [];
  const source =
    (name: string, from: () => Promise<Response>): ModuleSource =>
    () => {
      asked.push(name);
      return from();
    };
  const good = async () => response(BYTES, "application/wasm");
  const fails = (message: string) => () => Promise.reject(new Error(message));
  const compiler = (...sources: ModuleSource[]) => {
    const made = new Compiler();
    made.setSource(...sources);
    made.setSource(source("too late", good));
    return made;
  };
  await compiler(source("a", good), source("b", good)).compile();
  await compiler(source("c", fails("no c")), source("d", good)).compile();
  assert.deepEqual(asked, ["a", "c", "d"]);
  const broken = compiler(source("e", fails("no e")), source("f", fails("no f")));
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(broken.compile(), { code: "not_ready", cause: new Error("no e") });
  }
  assert.deepEqual(asked, ["a", "c", "d", "e", "f", "e", "f"]);
});

test("a module is compiled once, and instantiated once, in whichever way", async () => {
  let instances = 0;
  const glue = {
    init: async () => void instances++,
    initSync: () => void instances++,
  };
  const waiting = new Loader(glue);
  waiting.setSource(async () => BYTES);
  assert.throws(() => waiting.core(), { code: "not_ready" });
  await Promise.all([waiting.load(), waiting.load()]);
  await waiting.load();
  assert.equal(waiting.core(), glue);
  assert.equal(instances, 1);

  const immediate = new Loader(glue);
  immediate.setSyncSource(() => BYTES);
  const loading = immediate.load();
  assert.equal(immediate.core(), glue);
  const module = immediate.module();
  await loading;
  await immediate.load();
  assert.equal(immediate.module(), module);
  assert.equal(await immediate.compile(), module);
  assert.equal(instances, 2);
});

test("a failed instantiation is not_ready, and the next call may pass another module", async () => {
  const attempts: WebAssembly.Module[] = [];
  const failsOnce = (module: WebAssembly.Module) => {
    attempts.push(module);
    if (attempts.length === 1) throw new Error("no memory");
  };
  const glue = {
    init: async ({ module_or_path }: { module_or_path: WebAssembly.Module }) =>
      failsOnce(module_or_path),
    initSync: ({ module }: { module: WebAssembly.Module }) => failsOnce(module),
  };
  for (const sources of ["later", "immediate"] as const) {
    attempts.length = 0;
    const loader = new Loader(glue);
    if (sources === "immediate") loader.setSyncSource(() => BYTES);
    const other = new WebAssembly.Module(BYTES);
    await assert.rejects(loader.load(MODULE), { code: "not_ready", cause: new Error("no memory") });
    await loader.load(other);
    assert.equal(loader.core(), glue);
    assert.deepEqual(
      attempts.map((module) => module === other),
      [false, true],
      sources,
    );
  }
});

test("a synchronous source that comes while a module is instantiated must wait", async () => {
  let instances = 0;
  let end = () => {};
  const glue = {
    init: () => {
      instances += 1;
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    },
    initSync: () => void instances++,
  };
  const loader = new Loader(glue);
  loader.setSource(async () => BYTES);
  const loading = loader.load();
  while (instances === 0) await new Promise(setImmediate);
  loader.setSyncSource(() => BYTES);
  assert.throws(() => loader.core(), { code: "not_ready" });
  const again = loader.load();
  end();
  await Promise.all([loading, again]);
  assert.equal(loader.core(), glue);
  assert.equal(instances, 1);
});

test("an addon that comes while a module loads is used, whatever becomes of the module", async () => {
  const failure = new Error("no memory");
  const outcomes = {
    succeeds: async () => {},
    fails: () => Promise.reject(failure),
    throws: () => {
      throw failure;
    },
  };
  for (const [outcome, instantiate] of Object.entries(outcomes)) {
    for (const moment of ["compiled", "instantiated"]) {
      const addon = {};
      const init = () => {
        loader.use(addon);
        return instantiate();
      };
      const loader: Loader<Glue> = new Loader<Glue>({ init, initSync: () => {} });
      loader.setSource(async () => BYTES);
      const loading = loader.load();
      if (moment === "compiled") loader.use(addon);
      await loading;
      assert.equal(loader.core(), addon, `${outcome}, while ${moment}`);
    }
  }
});
