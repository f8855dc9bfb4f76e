// Transfers over links of different round trips and rates: ours against tus and a plain GET, by ratios.
//
//   node scripts/bench-transfer.mjs SERVERS PEERS [ROUNDS] [MIB]
//
// SERVERS are what receives, in one argument: `node` for the server of this package, the path of the
// command `chunker` for its `serve`. PEERS is a folder in which tus-js-client, @tus/server and @tus/file-store
// are installed. Clients and servers are processes of their own, and so is the link: a
// relay that delays, and lets so many bytes a second pass. Every round has new data, and in it every
// contestant has its turn; a ratio is the median of those of the rounds.

import { fork, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const MIB = 1024 * 1024;
const PROFILES = { "1M": "large", "64K": "medium", "16K": "small" };
const LINKS = [
  { name: "0 ms", rtt: 0, rate: 0 },
  { name: "20 ms", rtt: 20, rate: 0 },
  { name: "40 ms", rtt: 40, rate: 0 },
  { name: "100 ms", rtt: 100, rate: 0 },
  { name: "20 ms, 12 MiB/s", rtt: 20, rate: 12 * MIB },
];

const [servers, peers, rounds = "5", mib = "128"] = process.argv.slice(2);
if (servers === undefined || peers === undefined) {
  console.error("usage: bench-transfer.mjs SERVERS PEERS [ROUNDS] [MIB]");
  process.exit(1);
}
const bytes = Number(mib) * MIB;
const folder = await mkdtemp(join(tmpdir(), "chunker-transfer-"));
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

try {
  const tus = await startScript("bench-transfer-tus.mjs", peers, folder);
  for (const server of servers.split(" ")) {
    const store = join(folder, `store of ${basename(server)}`);
    const isNode = server === "node";
    const port = isNode
      ? (await startScript("bench-transfer-server.mjs", store)).port
      : await startCommand(server, store);
    console.log(`\nThe server ${isNode ? "for Node.js" : `\`${basename(server)} serve\``}:`);
    for (const link of LINKS) await measure(link, port, tus.port);
  }
} finally {
  for (const child of children) child.kill();
  await rm(folder, { recursive: true, force: true });
}
process.exit();

/** Measures all contestants over one link, and prints a row for each size of chunks. */
async function measure({ name, rtt, rate }, ours, tus) {
  const toOurs = await startScript("bench-transfer-link.mjs", ours, rtt, rate);
  const toTus = await startScript("bench-transfer-link.mjs", tus, rtt, rate);
  const client = await startScript("bench-transfer-client.mjs", peers, toOurs.port, toTus.port);
  const times = new Map();
  const run = async (label, job) => {
    const answer = await ask(client, job);
    times.set(label, [...(times.get(label) ?? []), answer.seconds]);
    return answer;
  };
  let wire = "";
  for (let round = 0; round < Number(rounds); round += 1) {
    const path = join(folder, "new");
    await writeRandom(path);
    const edited = join(folder, "edited");
    await writeEdited(path, edited);
    await run("tus", { job: "tus", path });
    await run("get", { job: "get", path });
    for (const [avg, profile] of Object.entries(PROFILES)) {
      await run(`${avg} read`, { job: "read", path, profile });
      const { root } = await run(`${avg} new`, { job: "upload", path, profile });
      await run(`${avg} known`, { job: "upload", path, profile });
      const { bytesSent } = await run(`${avg} edited`, { job: "upload", path: edited, profile });
      await run(`${avg} download`, { job: "download", root });
      if (round === 0) wire += ` ${avg} ${(bytesSent / MIB).toFixed(2)}`;
    }
  }
  const ratio = (a, b) => median(times.get(a).map((seconds, at) => seconds / times.get(b)[at]));
  const speed = (label) => (bytes / MIB / median(times.get(label))).toFixed(0);
  console.log(`\n${name}: tus ${speed("tus")} MiB/s, plain GET ${speed("get")} MiB/s;`);
  console.log(`of an edited copy were sent, in MiB:${wire}`);
  console.log("average | new, × tus | known, × reading | edited, s | download, × GET | new, MiB/s");
  for (const avg of Object.keys(PROFILES)) {
    const cells = [
      avg,
      ratio("tus", `${avg} new`).toFixed(2),
      ratio(`${avg} read`, `${avg} known`).toFixed(2),
      median(times.get(`${avg} edited`)).toFixed(2),
      ratio("get", `${avg} download`).toFixed(2),
      speed(`${avg} new`),
    ];
    console.log(cells.join(" | "));
  }
  for (const child of [client, toOurs, toTus]) child.kill();
}

/** Starts the command's server; returns its port. */
async function startCommand(command, store) {
  const port = await freePort();
  const child = spawn(
    resolve(command),
    ["serve", "--store", store, "--listen", `127.0.0.1:${port}`],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  children.add(child);
  for (let left = 100; ; left -= 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1`).catch(() => undefined);
    if (answer?.ok) return port;
    if (left === 0 || child.exitCode !== null) throw new Error(`${command} serve did not start`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** Starts a script beside this one, and resolves when it has told its port. */
async function startScript(name, ...args) {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = fork(script, args.map(String), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  children.add(child);
  const [{ port }] = await once(child, "message");
  return Object.assign(child, { port });
}

async function ask(child, job) {
  child.send(job);
  const [answer] = await once(child, "message");
  if (answer.error !== undefined) throw new Error(`${JSON.stringify(job)}: ${answer.error}`);
  return answer;
}

async function writeRandom(path) {
  const file = await open(path, "w");
  const piece = Buffer.alloc(MIB);
  for (let at = 0; at < bytes; at += MIB) await file.write(randomFillSync(piece));
  await file.close();
}

/** Writes a copy with an insertion at a third, a deletion at two thirds, and a byte changed at the end. */
async function writeEdited(path, copy) {
  const [from, to] = [await open(path), await open(copy, "w")];
  const piece = Buffer.alloc(MIB);
  const [third, twoThirds] = [Math.floor(bytes / 3 / MIB), Math.floor((2 * bytes) / 3 / MIB)];
  for (let at = 0; at < bytes / MIB; at += 1) {
    await from.read(piece, 0, MIB, at * MIB);
    if (at === third) await to.write("inserted");
    if (at === bytes / MIB - 1) piece[MIB - 1] ^= 1;
    await to.write(at === twoThirds ? piece.subarray(1000) : piece);
  }
  await Promise.all([from.close(), to.close()]);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
