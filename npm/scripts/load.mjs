// A server under 200 clients: `node scripts/load.mjs COMMAND [SECONDS] [CLIENTS]`. COMMAND is run with the path of
// a store, and prints the server's address.
//
// Of ten clients seven upload and download files, again and again, and compare; one reads at 256 KiB a second;
// one reads nothing of its answer; one sends nonsense. A probe asks for the limits every 50 ms: its latency
// shows the delay of the server's event loop or schedulers. Prints transfers, errors, the probe's latencies, and
// the memory of the server's processes; fails if a healthy client failed or read back something other than what it sent.

import { createHash, randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { download, HttpTransport, upload } from "chunker-cdc/dedup";
import { startServer } from "./server-command.mjs";

const MIB = 1024 * 1024;
/** A file that fits in no buffer of a connection. */
const SEED_BYTES = 64 * MIB;
/** How long a reader may stand still before the servers cut it. */
const PATIENCE_MS = 30_000;
const [command, seconds = "60", clients = "200"] = process.argv.slice(2);
if (command === undefined) {
  console.error("usage: load.mjs COMMAND [SECONDS] [CLIENTS]");
  process.exit(1);
}

const NOTHING = "00".repeat(32);
const NONSENSE = [
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
  "GET /v1/../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
  `POST /v1/packs/sha256 HTTP/1.1\r\nhost: HOST\r\ncontent-type: application/octet-stream\r\ncontent-length: 99999999999\r\n\r\n`,
  `POST /v1/packs/sha256 HTTP/1.1\r\nhost: HOST\r\ncontent-type: application/octet-stream\r\ncontent-length: 64\r\n\r\n${"x".repeat(64)}`,
  `POST /v1/chunks/sha256/missing HTTP/1.1\r\nhost: HOST\r\ncontent-type: application/octet-stream\r\ncontent-length: 31\r\n\r\n${"x".repeat(31)}`,
  `PUT /v1/manifests/sha256-${NOTHING} HTTP/1.1\r\nhost: HOST\r\ncontent-length: 5\r\n\r\nhello`,
  `GET /v1/files/sha256-${NOTHING} HTTP/1.1\r\nhost: HOST\r\n\r\n`,
  `GET /v1/files/SEED HTTP/1.1\r\nhost: HOST\r\nrange: bytes=99999999999-\r\n\r\n`,
  `GET /v1 HTTP/1.1\r\nhost: HOST\r\nx: ${"y".repeat(200_000)}\r\n\r\n`,
  "POST /v1/packs/sha256 HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
];

const folder = await mkdtemp(join(tmpdir(), "chunker-load-"));
const server = await startServer(`${command} "$1"`, join(folder, "store"));
const url = new URL(server.url);

const counts = { uploads: 0, downloads: 0, bytes: 0, cut: 0, slow: 0, refused: {} };
const failures = [];
const latencies = [];
const memory = [];
const end = Date.now() + Number(seconds) * 1000;
const running = () => Date.now() < end;
const agent = new Agent({ keepAlive: true, maxSockets: 2 });

const roles = [...Array(7).fill(healthy), slow, stopped, hostile];
const seed = await uploaded(randomFillSync(Buffer.alloc(SEED_BYTES)));
memory.push(server.resident());
const work = Array.from({ length: Number(clients) }, (_, number) =>
  roles[number % roles.length](number),
);
await Promise.all([...work, probe(), sample()]);
memory.push(server.resident());
server.kill("SIGTERM");
await server.ended;
await rm(folder, { recursive: true, force: true });

latencies.sort((a, b) => a - b);
const at = (part) => latencies[Math.floor((latencies.length - 1) * part)]?.toFixed(1);
console.log(
  `${clients} clients, ${seconds} s: ${counts.uploads} uploads, ${counts.downloads} downloads,`,
);
console.log(
  `${(counts.bytes / MIB).toFixed(0)} MiB; ${failures.length} failures of healthy clients`,
);
console.log(
  `slow readers that read to the end ${counts.slow}, readers that stood still and were cut ${counts.cut}`,
);
console.log(`answers to nonsense: ${JSON.stringify(counts.refused)}`);
console.log(`GET /v1, ms: median ${at(0.5)}, 90 % ${at(0.9)}, 99 % ${at(0.99)}, longest ${at(1)}`);
const [first, ...rest] = memory.map((bytes) => Math.round(bytes / MIB));
console.log(
  `memory, MiB: ${first} at first, at most ${Math.max(...rest)}, ${rest.at(-1)} at the end`,
);
for (const failure of failures.slice(0, 5)) console.error(failure);
process.exit(failures.length === 0 ? 0 : 1);

async function sample() {
  while (running()) {
    memory.push(server.resident());
    await sleep(200);
  }
}

async function probe() {
  while (running()) {
    const began = performance.now();
    await new Promise((resolve) => {
      const done = () => resolve();
      get({ agent, host: url.hostname, port: url.port, path: "/v1" }, (answer) =>
        answer.on("data", () => {}).on("end", done),
      ).on("error", (error) => {
        failures.push(`GET /v1: ${error}`);
        done();
      });
    });
    latencies.push(performance.now() - began);
    await sleep(50);
  }
}

async function uploaded(data) {
  const transport = new HttpTransport({ baseUrl: url.origin });
  const { root } = await upload(data, { transport, profile: "medium" });
  return root;
}

async function healthy(number) {
  const transport = new HttpTransport({ baseUrl: url.origin });
  const data = Buffer.alloc(MIB * (1 + (number % 8)));
  while (running()) {
    randomFillSync(data, 0, data.length / 2);
    try {
      const root = await uploaded(data);
      counts.uploads += 1;
      const hash = createHash("sha256");
      for await (const piece of download(root, { transport })) hash.update(piece);
      if (hash.digest("hex") !== createHash("sha256").update(data).digest("hex")) {
        throw new Error(`${root} is another file`);
      }
      counts.downloads += 1;
      counts.bytes += 2 * data.length;
    } catch (error) {
      failures.push(`${error.code ?? ""} ${error.stack}`);
      await sleep(1000);
    }
  }
}

/** Sends bytes on a new connection; resolves with it. */
async function sent(bytes) {
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(bytes);
  return socket;
}

function fileRequest() {
  return `GET /v1/files/${seed} HTTP/1.1\r\nhost: ${url.host}\r\nconnection: close\r\n\r\n`;
}

async function slow() {
  while (running()) {
    const socket = await sent(fileRequest());
    let length = 0;
    for await (const piece of socket) {
      length += piece.length;
      await sleep((piece.length / (256 * 1024)) * 1000);
      if (!running()) break;
    }
    if (!running()) counts.slow += 1;
    else failures.push(`a slow reader was cut after ${length} bytes`);
    socket.destroy();
  }
}

async function stopped() {
  while (running()) {
    const socket = await sent(fileRequest());
    socket.pause();
    await sleep(Math.min(PATIENCE_MS + 10_000, end - Date.now()));
    if (!running()) return socket.destroy();
    // What had arrived is read; if the server has cut the rest, that is all.
    let length = 0;
    for await (const piece of socket) length += piece.length;
    if (length < SEED_BYTES) counts.cut += 1;
    else failures.push("a reader that stopped got the whole file");
  }
}

async function hostile(number) {
  for (let turn = number; running(); turn += 1) {
    const text = NONSENSE[turn % NONSENSE.length]
      .replaceAll("HOST", url.host)
      .replaceAll("SEED", seed);
    const socket = await sent(text);
    const status = await Promise.race([
      once(socket, "data").then(([data]) => String(data).slice(9, 12)),
      once(socket, "close").then(() => "closed"),
      sleep(5000).then(() => "none in 5 s"),
    ]).catch(() => "closed");
    counts.refused[status] = (counts.refused[status] ?? 0) + 1;
    socket.destroy();
    await sleep(200);
  }
}
