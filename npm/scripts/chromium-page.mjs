// A page in headless Chromium, driven through its debugging pipe (Chrome DevTools Protocol). Playwright is too slow to
// measure with: it turns on the inspector's network domain, so Chromium reports every request, and copies bodies that
// are made of bytes.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { EXECUTABLE, FLAGS } from "../test-out/chromium.js";

const PROFILE = mkdtempSync(join(tmpdir(), "chromium-"));
/** Limit for the time until a page is ready, in milliseconds. */
const LIMIT_MS = 20_000;

/** Opens `url`, and returns its page once its title is "ready". Chromium ends with this process. */
export async function openPage(url, ...flags) {
  const chromium = spawn(
    EXECUTABLE,
    ["--headless", "--remote-debugging-pipe", `--user-data-dir=${PROFILE}`, ...FLAGS, ...flags],
    // Detached, its processes form a group, which can be killed at once.
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true },
  );
  process.on("exit", () => {
    try {
      process.kill(-chromium.pid, "SIGKILL");
      rmSync(PROFILE, { recursive: true, force: true, maxRetries: 10 });
    } catch {
      // Chromium has ended already, or is still writing to its profile, which then stays.
    }
  });
  const call = caller(chromium.stdio[3], chromium.stdio[4]);
  const { targetId } = await call("Target.createTarget", { url });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  const page = new Page((method, params) => call(method, params, sessionId));
  const limit = performance.now() + LIMIT_MS;
  while (!(await page.evaluate('document.title === "ready"'))) {
    if (performance.now() > limit) throw new Error(`${url} is not ready`);
    await setTimeout(50);
  }
  return page;
}

class Page {
  #call;

  constructor(call) {
    this.#call = call;
  }

  /** Returns the value, or what its promise resolves to. */
  async evaluate(expression) {
    return (await this.#evaluate(expression, true)).value;
  }

  /** Chooses a file for the first input. */
  async choose(path) {
    const { objectId } = await this.#evaluate('document.querySelector("input")', false);
    await this.#call("DOM.setFileInputFiles", { files: [path], objectId });
  }

  async #evaluate(expression, returnByValue) {
    const options = { expression, returnByValue, awaitPromise: true };
    const { result, exceptionDetails } = await this.#call("Runtime.evaluate", options);
    if (exceptionDetails === undefined) return result;
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }
}

/** Returns a function that calls a method of the protocol. Messages end with a zero byte. */
function caller(input, output) {
  const waiting = new Map();
  let id = 0;
  let rest = "";
  let isOpen = true;
  output.setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(message.id) ?? {};
      waiting.delete(message.id);
      if (message.error === undefined) resolve?.(message.result);
      else reject?.(new Error(message.error.message));
    }
  });
  const onEnd = () => {
    isOpen = false;
    for (const { reject } of waiting.values()) reject(new Error("Chromium has ended"));
  };
  output.on("close", onEnd);
  input.on("error", onEnd);
  return (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      if (!isOpen) throw new Error("Chromium has ended");
      id += 1;
      waiting.set(id, { resolve, reject });
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
}
