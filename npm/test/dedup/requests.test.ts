// Damaged requests, drawn at random: none makes a server fail, and none makes it store a lie.
// FUZZ_REQUESTS=100000: more of them; FUZZ_SEED=7: others.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { Manifest } from "chunker-cdc";
import { compress } from "chunker-cdc/codecs";
import { HttpTransport, upload } from "chunker-cdc/dedup";
import { createUploadServer, Store } from "chunker-cdc/dedup/server";
import { digestHex, randomBytes, SMALL, splitMix64, temporaryDirectory } from "./support.js";
import { packOf } from "./wire.js";

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 1500);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

/** What is put in the place of bytes: the words that a parser looks at. */
const WORDS = [
  ...["\r\n", "\r\n\r\n", "\n", "\0", " ", "%2f", "../", "?encoding=zstd", "0", "-1"],
  ...[
    "99999999999999999999",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\xff\xfe",
  ],
  ...[
    "Expect: 100-continue\r\n",
    "Content-Encoding: zstd\r\n",
    "Range: bytes=0-\r\n",
    "blake3",
    '"',
  ],
  ...[
    "HEAD",
    "GET",
    "PUT",
    "POST",
    "OPTIONS",
    "/v1/files/",
    "/v1/manifests/",
    "/v1/chunks/sha256/missing",
  ],
].map((word) => Buffer.from(word, "latin1"));

function request(method: string, path: string, body = new Uint8Array(), more = ""): Buffer {
  const length = method === "GET" ? "" : `Content-Length: ${body.length}\r\n`;
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${length}${more}\r\n`),
    body,
  ]);
}

/** Replaces up to two runs of bytes by words, by nothing, by themselves twice, or by another bit. */
function damage(bytes: Buffer, draw: (below: number) => number): Buffer {
  let damaged = bytes;
  for (let times = draw(3); times > 0; times -= 1) {
    const from = draw(damaged.length);
    const run = damaged.subarray(from, from + draw(20));
    const flipped = Uint8Array.from(run, (byte) => byte ^ (1 << draw(8)));
    const instead = [
      WORDS[draw(WORDS.length)],
      new Uint8Array(),
      Buffer.concat([run, run]),
      flipped,
    ];
    const rest = damaged.subarray(from + run.length);
    damaged = Buffer.concat([damaged.subarray(0, from), instead[draw(4)] ?? run, rest]);
  }
  return damaged;
}

/** Sends bytes, and after an answer or 50 ms without one the end of the connection; returns the answer. */
async function exchange(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (text) => {
    answer += text;
    socket.end();
  });
  const silence = setTimeout(() => socket.end(), 50); // a server waits for the rest of a request
  socket.on("error", () => {}); // the server may close before it has read everything
  socket.write(bytes);
  await once(socket, "close");
  clearTimeout(silence);
  return answer;
}

test(`${REQUESTS} damaged requests of seed ${SEED}: no failure, and no lie is stored`, {
  timeout: 60_000 + 50 * REQUESTS,
}, async (t) => {
  const store = await Store.open(await temporaryDirectory(), { cache: false });
  const failures: unknown[] = [];
  const server = await createUploadServer({ store, onError: (error) => failures.push(error) });
  t.after(() => server.close({ graceMs: 0 }));
  const transport = new HttpTransport({ baseUrl: server.url });
  const data = randomBytes(900, 1);
  const known = await upload(data, { transport, profile: SMALL });
  const chunk = digestHex("sha256", data);
  const [bytes, more] = [randomBytes(300, 2), randomBytes(200, 3)];
  const text = new Uint8Array(Buffer.from("to be compressed, ".repeat(100)));
  const raw = packOf([{ hash: "sha256", bytes }]);
  const encoded = await compress("zstd", text);
  const mixed = packOf([
    { hash: "blake3", bytes: more },
    { hash: "blake3", bytes: text, encoded },
  ]);
  const manifest = Manifest.create(SMALL, [{ hash: Buffer.from(chunk, "hex"), length: 900 }]);
  const digests = Buffer.from(chunk + digestHex("sha256", bytes), "hex");
  const octets = "Content-Type: application/octet-stream\r\n";
  const requests = [
    request("POST", "/v1/packs/sha256", raw, octets),
    request("POST", "/v1/packs/blake3", mixed, octets),
    request("PUT", `/v1/manifests/sha256-${manifest.rootDigestHex}`, manifest.toBytes()),
    request("POST", "/v1/chunks/sha256/missing", digests, octets),
    request("POST", "/v1/chunks/sha256/read", digests, octets),
    request("GET", `/v1/chunks/sha256/${chunk}`),
    request("PUT", `/v1/manifests/${known.root}?expect=known`, manifest.toBytes()),
    request("GET", `/v1/files/${known.root}/chunks?encoding=zstd&start=5&end=80`),
    request("GET", `/v1/manifests/${known.root}`),
    request("GET", `/v1/files/${known.root}?name=a.bin`, undefined, "Range: bytes=10-20\r\n"),
  ];

  const next = splitMix64(SEED);
  const draw = (below: number) => (below === 0 ? 0 : Number(next() % BigInt(below)));
  const statuses = new Map<string, number>();
  const { port } = new URL(server.url);
  const one = async () => {
    const damaged = damage(requests[draw(requests.length)] as Buffer, draw);
    const answer = await exchange(Number(port), damaged);
    const status = /^HTTP\/1\.[01] ([1-9][0-9]{2}) /.exec(answer)?.[1] ?? "none";
    const about = JSON.stringify(damaged.toString("latin1"));
    assert.doesNotMatch(answer, /(^|\r\n)HTTP\/1\.1 5/, about);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  for (let sent = 0; sent < REQUESTS; sent += 8) await Promise.all(Array.from({ length: 8 }, one));

  for (const status of ["200", "206", "400", "404"]) assert.ok(statuses.has(status), status);
  assert.deepEqual(failures, []);
  const { sound, chunks } = await store.check({ readData: true });
  assert.ok(sound);
  const whole = await fetch(transport.fileUrl(known.root));
  assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), data);
  t.diagnostic(
    `${chunks} chunks checked; ${JSON.stringify(Object.fromEntries([...statuses].sort()))}`,
  );
});
