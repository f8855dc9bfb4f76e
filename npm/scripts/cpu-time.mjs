// The CPU time of the processes that a script has started, on Linux.

import { readdirSync, readFileSync } from "node:fs";

/** The unit of times in /proc, in seconds. */
const TICK = 0.01;
/** In /proc/PID/stat, fields 14 to 17: the CPU time of a process, and that of its children that have ended (proc(5)). */
const TIMES = /\) \S+(?: \S+){10} (\d+) (\d+) (-?\d+) (-?\d+)/;

/** Seconds of CPU time that all descendants of this process have taken, or `NaN` on other systems. */
export function cpuTimeOfDescendants() {
  return process.platform === "linux" ? TICK * ticksOfDescendants(process.pid) : Number.NaN;
}

function ticksOfDescendants(pid) {
  let ticks = ticksOf(pid).ofEnded;
  for (const child of childrenOf(pid)) ticks += ticksOf(child).own + ticksOfDescendants(child);
  return ticks;
}

function ticksOf(pid) {
  const found = TIMES.exec(contentsOf(`/proc/${pid}/stat`)) ?? [];
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = found.slice(1).map(Number);
  return { own: user + system, ofEnded: endedUser + endedSystem };
}

function childrenOf(pid) {
  const folder = `/proc/${pid}/task`;
  return threadsIn(folder).flatMap(
    (thread) => contentsOf(`${folder}/${thread}/children`).match(/\d+/g) ?? [],
  );
}

function threadsIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return []; // the process has ended
  }
}

function contentsOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended
  }
}
