// Vite's development server.

import { spawn } from "node:child_process";
import type { Site } from "./chromium.js";
import { tool } from "./package/packed.js";

/** Starts the server for a folder, on a free port. */
export async function startVite(folder: string): Promise<Site> {
  const options = ["--host", "127.0.0.1", "--port", "0", "--clearScreen", "false"];
  const server = spawn(tool("vite"), options, {
    cwd: folder,
    env: { ...process.env, NO_COLOR: "1" },
  });
  let printed = "";
  for await (const text of server.stdout) {
    printed += text;
    if (/127\.0\.0\.1:\d+/.test(printed)) break;
  }
  const [url = ""] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed) ?? [];
  return { url, [Symbol.asyncDispose]: async () => void server.kill() };
}
