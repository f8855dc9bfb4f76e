// Transfers over links of different round trips and rates: ours against tus and a plain GET, by ratios.
//
//   node scripts/bench-transfer.mjs PEERS [--clients "node chromium"] [--servers "node serve beam"]
//     [--links "0 20 40 100 slow"] [--averages "1M 64K 16K"] [--hashes "sha256 blake3"] [--rounds 5] [--mib 128]
//
// PEERS is a folder in which tus-js-client, @tus/server and @tus/file-store are installed. Clients and servers are
// processes of their own, and so is the link: a relay that delays, and lets so many bytes a second pass. Every
// round has new data, and in it every contestant has its turn; a ratio is the median of those of the rounds.
//
// On Linux, an estimate of the highest ratio that the machine allows follows in parentheses. It takes the CPU time of
// all processes, spread evenly over the cores, or the time that the link needs if that is longer, and adds the time of
// the smallest request: no upload can end without a commit, and no download begin without a request. A known file takes
// at least as long as reading it.

import { execFileSync, fork } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cpuTimeOfDescendants } from "./cpu-time.mjs";
import { startServer } from "./server-command.mjs";

const MIB = 1024 * 1024;
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const CLIENTS = {
  node: { name: "Node.js", script: "bench-transfer-client.mjs" },
  chromium: { name: "Chromium", script: "bench-transfer-chromium.mjs" },
};
/** What receives: lines of shell that serve the store `$1` and print their address. */
const SERVERS = {
  node: { name: "the server for Node.js", line: 'node npm/test-out/dedup/server-process.js "$1"' },
  serve: {
    name: "`chunker serve`",
    line: 'target/release/chunker --store "$1" serve --listen 127.0.0.1:0',
  },
  beam: {
    name: "the server on the BEAM",
    line: 'env MIX_ENV=prod sh -c \'cd nif/examples/ingest && exec mix run serve.exs "$1" --port 0\' sh "$1"',
  },
};
const SIZES = {
  "1M": "262144-1048576-4194304",
  "64K": "16384-65536-262144",
  "16K": "4096-16384-65536",
};
const LINKS = {
  0: { name: "0 ms", rtt: 0, rate: 0 },
  20: { name: "20 ms", rtt: 20, rate: 0 },
  40: { name: "40 ms", rtt: 40, rate: 0 },
  100: { name: "100 ms", rtt: 100, rate: 0 },
  slow: { name: "20 ms, 12 MiB/s", rtt: 20, rate: 12 * MIB },
};

const string = (value) => ({ type: "string", default: value });
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clients: string("node"),
    servers: string("node"),
    links: string(Object.keys(LINKS).join(" ")),
    averages: string(Object.keys(SIZES).join(" ")),
    hashes: string("sha256 blake3"),
    rounds: string("5"),
    mib: string("128"),
  },
});
const [peers] = positionals;
if (peers === undefined) {
  console.error("usage: bench-transfer.mjs PEERS [--clients …] [--servers …] [--links …] …");
  process.exit(1);
}
const clients = chosen("clients", CLIENTS);
const servers = chosen("servers", SERVERS);
const links = chosen("links", LINKS);
const averages = chosen("averages", SIZES);
const hashes = chosen("hashes", { sha256: "SHA-256", blake3: "BLAKE3" });
const profiles = averages.flatMap(([avg, sizes]) =>
  hashes.map(([hash, name]) => [`${avg} ${name}`, `fastcdc-v2020/nc1/${sizes}/${hash}`]),
);
const bytes = Number(options.mib) * MIB;

/** Returns the values of `all` that an option names. */
function chosen(option, all) {
  const names = options[option].split(" ");
  const unknown = names.find((name) => !(name in all));
  if (unknown !== undefined) {
    console.error(`--${option} has ${unknown}, which is none of ${Object.keys(all).join(", ")}`);
    process.exit(1);
  }
  return names.map((name) => [name, all[name]]);
}

const folder = await mkdtemp(join(tmpdir(), "chunker-transfer-"));
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

try {
  const tus = await startScript("bench-transfer-tus.mjs", peers, folder);
  for (const [name, { name: title, line }] of servers) {
    process.chdir(REPOSITORY);
    const server = await startServer(line, join(folder, `store of ${name}`));
    const { port } = new URL(server.url);
    for (const [, client] of clients) {
      console.log(`\n${client.name} and ${title}:`);
      for (const [, link] of links) await measure(client, link, Number(port), tus.port);
    }
    server.kill("SIGKILL");
    await server.ended;
  }
} finally {
  for (const child of children) child.kill();
  await rm(folder, { recursive: true, force: true });
}
process.exit();

/** Measures all contestants over one link, and prints a row for each size of chunks. */
async function measure({ script }, { name, rtt, rate }, ours, tus) {
  const toOurs = await startScript("bench-transfer-link.mjs", ours, rtt, rate);
  const toTus = await startScript("bench-transfer-link.mjs", tus, rtt, rate);
  const client = await startScript(script, peers, toOurs.port, toTus.port);
  const times = new Map();
  const run = async (label, job) => {
    // Our server syncs what it stores; otherwise it would also wait for what the others left unwritten.
    if (process.platform !== "win32") execFileSync("sync");
    const before = cpuTimeOfDescendants();
    const { seconds, ...answer } = await ask(client, job);
    const perCore = (cpuTimeOfDescendants() - before) / availableParallelism();
    times.set(label, [...(times.get(label) ?? []), { seconds, perCore }]);
    return answer;
  };
  let wire = "";
  for (let round = 0; round < Number(options.rounds); round += 1) {
    const path = join(folder, "new");
    await writeRandom(path);
    const edited = join(folder, "edited");
    await writeEdited(path, edited);
    const turns = [
      async () => {
        await run("tus", { job: "tus", path });
        await run("get", { job: "get", path });
        for (let count = 0; count < 5; count += 1) await run("ask", { job: "ask" });
      },
      ...profiles.map(([label, profile]) => async () => {
        await run(`${label} read`, { job: "read", path, profile });
        const { root } = await run(`${label} new`, { job: "upload", path, profile });
        await run(`${label} known`, { job: "upload", path, profile });
        const { bytesSent } = await run(`${label} edited`, {
          job: "upload",
          path: edited,
          profile,
        });
        await run(`${label} download`, { job: "download", root });
        if (round === 0) wire += ` ${label} ${(bytesSent / MIB).toFixed(2)}`;
      }),
    ];
    // A different contestant goes first in each round.
    const first = round % turns.length;
    for (const turn of [...turns.slice(first), ...turns.slice(0, first)]) await turn();
  }
  const medianOf = (label, value) => median(times.get(label).map(value));
  /** The speed of `label`, relative to `peer`, and what it would be if `label` took only its `leastTime`. */
  const ratio = (label, peer, leastTime) => {
    const relative = (time) =>
      medianOf(label, (job, at) => times.get(peer)[at].seconds / time(job, at)).toFixed(2);
    const highest = relative(leastTime);
    return `${relative(({ seconds }) => seconds)}${highest === "NaN" ? "" : ` (${highest})`}`;
  };
  const asking = medianOf("ask", ({ seconds }) => seconds);
  const ofTransfer = ({ perCore }) => Math.max(perCore, rate > 0 ? bytes / rate : 0) + asking;
  const speed = (label) => (bytes / MIB / medianOf(label, ({ seconds }) => seconds)).toFixed(0);
  console.log(`\n${name}: tus ${speed("tus")} MiB/s, plain GET ${speed("get")} MiB/s,`);
  console.log(`smallest request ${(1000 * asking).toFixed(1)} ms;`);
  console.log(`of an edited copy were sent, in MiB:${wire}`);
  console.log("chunks | new, × tus | known, × reading | edited, s | download, × GET | new, MiB/s");
  for (const [label] of profiles) {
    const ofKnown = ({ perCore }, at) =>
      Math.max(perCore, times.get(`${label} read`)[at].seconds) + asking;
    const cells = [
      label,
      ratio(`${label} new`, "tus", ofTransfer),
      ratio(`${label} known`, `${label} read`, ofKnown),
      medianOf(`${label} edited`, ({ seconds }) => seconds).toFixed(2),
      ratio(`${label} download`, "get", ofTransfer),
      speed(`${label} new`),
    ];
    console.log(cells.join(" | "));
  }
  for (const child of [client, toOurs, toTus]) {
    child.kill();
    children.delete(child);
  }
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
