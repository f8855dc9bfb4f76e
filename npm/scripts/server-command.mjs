// A server of another program, for scripts that put it under load or kill it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";

/**
 * Runs a line of shell, in which `$1` and so on are `args`, and resolves once it has printed an address. What it
 * starts is a group of processes, which ends with this one.
 */
export async function startServer(line, ...args) {
  const child = spawn("sh", ["-c", `exec ${line}`, "sh", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It is gone.
    }
  };
  const last = () => kill("SIGKILL");
  process.on("exit", last);
  const ended = once(child, "exit").then(() => process.off("exit", last));
  const url = await firstAddress(child.stdout);
  if (url === undefined) throw new Error(`it printed no address: ${line}`);
  child.stdout.resume();
  return { url, kill, ended, resident: () => residentOf(child.pid) };
}

/** Returns the first address in a stream, or `undefined` if it ends without one. */
async function firstAddress(stream) {
  let text = "";
  for await (const piece of stream.iterator({ destroyOnReturn: false })) {
    text += piece;
    const found = /https?:\/\/[^\s"]+/.exec(text);
    if (found) return found[0];
  }
  return undefined;
}

/** Bytes that the processes of a group have in memory. */
function residentOf(group) {
  let bytes = 0;
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, found] = /\) \S+ \d+ (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, "utf8"));
      if (Number(found) !== group) continue;
      const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${entry}/status`, "utf8"));
      bytes += Number(kib) * 1024;
    } catch {
      // It has ended.
    }
  }
  return bytes;
}
