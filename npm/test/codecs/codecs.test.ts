import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as main from "chunker-cdc";
import * as api from "chunker-cdc/codecs";
import { assertRefused, detached, type Hostile } from "../hostile.js";
import { bytesOf, splitMix64 } from "../inputs.js";
import { CODECS, LAWS } from "./laws.js";
import { collected, streamOf } from "./streams.js";
import { tarOfSources, tool } from "./tools.js";

const unloaded = createRequire(import.meta.url)("../../dist/cjs/codecs/index.js") as typeof api;
/** Calls the API as JavaScript may: with anything. */
// biome-ignore lint/suspicious/noExplicitAny: the arguments are wrong on purpose
const any = api as any;

/** The addon has liblzma, and all the memory of the machine. */
const NATIVE = main.backend().startsWith("native");
const TOO_LARGE = NATIVE ? "zstd_compression_failed" : "invalid_argument";

for (const [name, law] of Object.entries(LAWS)) test(name, () => law(api));

test("every tool reads what is written here, and the reverse", async () => {
  const inputs = {
    empty: new Uint8Array(0),
    "one byte": new Uint8Array([7]),
    text: bytesOf({ kind: "text", seed: 1, length: 300_000 }),
    random: splitMix64(2, 300_000),
    tar: tarOfSources(),
  };
  let cases = 0;
  for (const codec of CODECS) {
    for (const [name, data] of Object.entries(inputs)) {
      const streamed = streamOf(data, 50_000).pipeThrough(new api.CompressTransform(codec));
      for (const ours of [await api.compress(codec, data), await collected(streamed)]) {
        assert.ok(Buffer.from(tool(codec, ["-d"], ours)).equals(data), `${codec} reads ${name}`);
        cases++;
      }
      const theirs = tool(codec, [], data);
      const piecewise = streamOf(theirs, 7001).pipeThrough(new api.DecompressTransform(codec));
      for (const content of [await api.decompressAuto(theirs), await collected(piecewise)]) {
        assert.ok(Buffer.from(content).equals(data), `${name} of ${codec}`);
        cases++;
      }
    }
  }
  console.log(`tools: ${cases} cases`);
  assert.equal(cases, CODECS.length * 5 * 4);
});

test("xz at level 6 compresses like its tool", async () => {
  for (const data of [bytesOf({ kind: "text", seed: 3, length: 400_000 }), tarOfSources()]) {
    const ours = (await api.compress("xz", data, { level: 6 })).length;
    const theirs = tool("xz", ["-6"], data).length;
    assert.ok(Math.abs(ours - theirs) * 50 < theirs, `${ours} bytes here, ${theirs} by xz`);
  }
});

test("windows beyond the limit are refused, and allowed when asked for", async () => {
  const data = bytesOf({ kind: "text", seed: 4, length: 10_000 });
  const [zstd, xz] = [
    tool("zstd", ["--long=27"], data),
    tool("xz", ["--lzma2=preset=1,dict=128MiB"], data),
  ];
  const exceeded = { code: "window_exceeded" };
  await assert.rejects(api.decompress("zstd", zstd), exceeded);
  await assert.rejects(api.decompress("xz", xz), exceeded);
  await assert.rejects(api.decompress("zstd", zstd, { maxWindowLog: 26 }), exceeded);
  assert.deepEqual(await api.decompress("zstd", zstd, { maxWindowLog: 27 }), data);
  assert.deepEqual(await api.decompress("xz", xz, { maxMemory: 200 * 2 ** 20 }), data);
});

test("of the filters of .xz one may stand before LZMA2, and two are a typed error of the module", async () => {
  const data = bytesOf({ kind: "text", seed: 7, length: 10_000 });
  const filtered = (...filters: string[]) =>
    tool("xz", ["--format=xz", ...filters, "--lzma2=preset=1"], data);
  for (const filters of [[], ["--delta=dist=2"], ["--x86"]]) {
    assert.deepEqual(await api.decompress("xz", filtered(...filters)), data, filters[0]);
  }
  const two = filtered("--x86", "--delta=dist=2");
  if (NATIVE) {
    assert.deepEqual(await api.decompress("xz", two), data);
    return;
  }
  const refused = { name: "ChunkerError", code: "xz_decompression_failed" };
  await assert.rejects(api.decompress("xz", two), refused);
  const streamed = streamOf(two, 1000);
  await assert.rejects(collected(streamed.pipeThrough(new api.DecompressTransform("xz"))), refused);
});

test("a gigabyte streams through little memory", async () => {
  const zeros = new Uint8Array(2 ** 20);
  let given = 0;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (given++ === 1024) controller.close();
      else controller.enqueue(zeros);
    },
  });
  const stream = source
    .pipeThrough(new api.CompressTransform("zstd"))
    .pipeThrough(new api.DecompressTransform("zstd"));
  const before = process.memoryUsage.rss();
  let [length, peak] = [0, 0];
  for await (const block of stream) {
    length += block.length;
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  assert.equal(length, 2 ** 30);
  const grown = (peak - before) / 2 ** 20;
  console.log(`memory: ${grown.toFixed()} MiB more at the peak of a gigabyte, both directions`);
  assert.ok(grown < 150, `${grown} MiB`);
});

test("signatures of node:crypto and of this package are the same", async () => {
  const { secretKey, publicKey } = await api.generateKeypair();
  const prefix = (hex: string, key: Uint8Array) => Buffer.concat([Buffer.from(hex, "hex"), key]);
  // DER of a PKCS #8 key and of its public key (RFC 8410), up to their 32 bytes.
  const key = crypto.createPrivateKey({
    key: prefix("302e020100300506032b657004220420", secretKey.subarray(0, 32)),
    format: "der",
    type: "pkcs8",
  });
  const publicHalf = crypto.createPublicKey({
    key: prefix("302a300506032b6570032100", publicKey),
    format: "der",
    type: "spki",
  });
  for (const length of [0, 1, 64, 1000, 100_000]) {
    const data = splitMix64(length, length);
    const theirs = crypto.sign(null, data, key);
    const ours = await api.sign(data, secretKey);
    assert.deepEqual(Buffer.from(ours), theirs);
    assert.ok(crypto.verify(null, data, publicHalf, ours));
    await api.verify(data, theirs, publicKey);
  }
});

test("a manifest is signed as a manifest", async () => {
  const data = splitMix64(5, 100_000);
  const profile = { minSize: 64, avgSize: 256, maxSize: 1024 };
  const manifest = main.Manifest.create(profile, await main.chunk(data, { profile }));
  const { secretKey, publicKey } = await api.generateKeypair();
  const signature = await api.signManifest(manifest, secretKey);
  await api.verifyManifest(manifest, signature, publicKey);
  const failed = { code: "verification_failed" };
  await assert.rejects(api.verify(manifest.toBytes(), signature, publicKey), failed);
  const asData = await api.sign(manifest.toBytes(), secretKey);
  await assert.rejects(api.verifyManifest(manifest, asData, publicKey), failed);
  const other = main.Manifest.create(profile, []);
  await assert.rejects(api.verifyManifest(other, signature, publicKey), failed);
});

const data = splitMix64(6, 1000);
const keys = await api.generateKeypair();
const signature = await api.sign(data, keys.secretKey);
const wrongBytes: [string, unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["a number", 5],
  ["an array", [1, 2, 3]],
  ["a detached view", detached()],
  ["shared memory", new Uint8Array(new SharedArrayBuffer(100))],
];
const wrongNumbers = [-1, 0.5, Number.NaN, Infinity, 2 ** 53, "5", null, 5n, {}];
const NARINFO = {
  storePath: "/nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl",
  narHash: new Uint8Array(32),
  narSize: 1,
};
const piped = (stream: TransformStream) => {
  const writer = stream.writable.getWriter();
  writer.write(data).catch(() => {});
  writer.close().catch(() => {});
  writer.closed.catch(() => {});
  return collected(stream.readable);
};

const HOSTILE: Hostile[] = [
  ...wrongBytes.flatMap(([what, value]): Hostile[] => [
    [`compress ${what}`, () => any.compress("zstd", value), "invalid_argument"],
    [`decompress ${what}`, () => any.decompress("zstd", value), "invalid_argument"],
    [`decompressAuto ${what}`, () => any.decompressAuto(value), "invalid_argument"],
    [`compressAdaptive ${what}`, () => any.compressAdaptive("zstd", value), "invalid_argument"],
    [`detectCodec ${what}`, () => any.detectCodec(value), "invalid_argument"],
    [`a sample of ${what}`, () => any.trainDictionary([value], 100), "invalid_argument"],
    [`sign ${what}`, () => any.sign(value, keys.secretKey), "invalid_argument"],
    [`a secret key of ${what}`, () => any.sign(data, value), "invalid_argument"],
    [`verify ${what}`, () => any.verify(value, signature, keys.publicKey), "invalid_argument"],
    [`a signature of ${what}`, () => any.verify(data, value, keys.publicKey), "invalid_argument"],
    [`a public key of ${what}`, () => any.verify(data, signature, value), "invalid_argument"],
    [`base32 of ${what}`, () => any.nixBase32Encode(value), "invalid_argument"],
    [`toBase64 of ${what}`, () => any.toBase64(value), "invalid_argument"],
    [
      `narHash of ${what}`,
      () => new any.NarInfo({ ...NARINFO, narHash: value }),
      "invalid_argument",
    ],
    [
      `a piece of ${what}`,
      async () => {
        const { writable, readable } = new api.DecompressTransform("zstd");
        const reading = readable.getReader().read();
        await Promise.all([writable.getWriter().write(value as Uint8Array), reading]);
      },
      "invalid_argument",
    ],
    ...(value === undefined
      ? []
      : ([
          [
            `a dictionary of ${what}`,
            () => any.compress("zstd", data, { dictionary: value }),
            "invalid_argument",
          ],
          [
            `a stream's dictionary of ${what}`,
            () => piped(new any.CompressTransform("zstd", { dictionary: value })),
            "invalid_argument",
          ],
        ] satisfies Hostile[])),
  ]),
  ...["gzip", "ZSTD", "", "__proto__", null, undefined, 1].flatMap((codec): Hostile[] => [
    [`codec ${String(codec)}`, () => any.compress(codec, data), "invalid_argument"],
    [`codec ${String(codec)} of decompress`, () => any.decompress(codec, data), "invalid_argument"],
    [
      `a stream by ${String(codec)}`,
      () => piped(new any.CompressTransform(codec)),
      "invalid_argument",
    ],
    [
      `a stream of ${String(codec)}`,
      () => piped(new any.DecompressTransform(codec)),
      "invalid_argument",
    ],
  ]),
  ...["5", null, 5n, {}, 0.5, Number.NaN, Infinity, 23, 2 ** 32 + 3, -(2 ** 40)].flatMap(
    (level): Hostile[] => [
      [
        `level ${String(level)}`,
        () => any.compress("zstd", data, { level }),
        "invalid_compression_level",
      ],
      [
        `level ${String(level)} of a stream`,
        () => piped(new any.CompressTransform("zstd", { level })),
        "invalid_compression_level",
      ],
    ],
  ),
  ["level 2 of LZ4", () => api.compress("lz4", data, { level: 2 }), "invalid_compression_level"],
  ...wrongNumbers.flatMap((value): Hostile[] =>
    ["maxOutput", "maxWindowLog", "maxMemory"].map((key) => [
      `${key} ${typeof value} ${String(value)}`,
      () => any.decompress("zstd", data, { [key]: value }),
      "invalid_argument",
    ]),
  ),
  ["maxWindowLog 9", () => api.decompress("zstd", data, { maxWindowLog: 9 }), "invalid_window_log"],
  [
    "maxWindowLog 31",
    () => api.decompress("zstd", data, { maxWindowLog: 31 }),
    "invalid_window_log",
  ],
  ["a dictionary of xz", () => api.compress("xz", data, { dictionary: data }), "invalid_argument"],
  ["an unknown option", () => any.compress("zstd", data, { levels: 1 }), "invalid_argument"],
  ["an unknown limit", () => any.decompress("zstd", data, { limit: 1 }), "invalid_argument"],
  [
    "an unknown option of a stream",
    () => new any.DecompressTransform("zstd", { x: 1 }),
    "invalid_argument",
  ],
  ["samples of a number", () => any.trainDictionary(5, 100), "invalid_argument"],
  ["maxSize of text", () => any.trainDictionary([data], "100"), "invalid_argument"],
  ["no maxSize", () => any.trainDictionary([data]), "invalid_argument"],
  ["no samples", () => api.trainDictionary([], 100), "zstd_compression_failed"],
  ["maxSize of 2^52", () => api.trainDictionary([data], 2 ** 52), TOO_LARGE],
  ["random data", () => api.decompressAuto(data), "unknown_compression_format"],
  ["a secret key of 31 bytes", () => api.sign(data, data.slice(0, 31)), "invalid_secret_key"],
  ["a secret key of two keys", () => api.sign(data, data.slice(0, 64)), "invalid_secret_key"],
  ["a secret key of other text", () => api.sign(data, "not base64!"), "decode_error"],
  [
    "a public key of 33 bytes",
    () => api.verify(data, signature, data.slice(0, 33)),
    "invalid_public_key",
  ],
  [
    "a public key of small order",
    () => api.verify(data, signature, new Uint8Array(32)),
    "invalid_public_key",
  ],
  [
    "a short signature",
    () => api.verify(data, signature.slice(1), keys.publicKey),
    "invalid_signature_length",
  ],
  [
    "a signature that no key makes",
    () => api.verify(data, new Uint8Array(64).fill(255), keys.publicKey),
    "invalid_signature",
  ],
  ["a manifest of null", () => any.signManifest(null, keys.secretKey), "invalid_argument"],
  [
    "a manifest of other bytes",
    () => any.signManifest({ toBytes: () => data }, keys.secretKey),
    "invalid_manifest",
  ],
  ["base32 of a number", () => any.nixBase32Decode(5), "invalid_argument"],
  ["base32 with capitals", () => api.nixBase32Decode("0MDQ"), "invalid_base32"],
  ["narinfo of nothing", () => new any.NarInfo(), "invalid_argument"],
  [
    "narinfo with another key",
    () => new any.NarInfo({ ...NARINFO, deriver: "" }),
    "invalid_argument",
  ],
  [
    "narinfo of a relative path",
    () => new api.NarInfo({ ...NARINFO, storePath: "curl" }),
    "invalid_store_path",
  ],
  [
    "narinfo with a reference of two fields",
    () => new api.NarInfo({ ...NARINFO, references: [`${NARINFO.storePath};x`] }),
    "invalid_store_path",
  ],
  [
    "narinfo of an empty NAR",
    () => new api.NarInfo({ ...NARINFO, narSize: 0 }),
    "invalid_nar_size",
  ],
  [
    "references of a string",
    () => new any.NarInfo({ ...NARINFO, references: "ab" }),
    "invalid_argument",
  ],
  [
    "references of numbers",
    () => new any.NarInfo({ ...NARINFO, references: [1] }),
    "invalid_argument",
  ],
  ...[...wrongNumbers, undefined].map(
    (narSize): Hostile => [
      `narSize ${typeof narSize} ${String(narSize)}`,
      () => new any.NarInfo({ ...NARINFO, narSize }),
      "invalid_argument",
    ],
  ),
  [
    "narHash of 31 bytes",
    () => new api.NarInfo({ ...NARINFO, narHash: data.slice(0, 31) }),
    "invalid_argument",
  ],
  [
    "a name with a colon",
    () => api.NixSecretKey.create("a:b", keys.secretKey),
    "invalid_secret_key",
  ],
  ["a name of a number", () => any.NixSecretKey.create(5, keys.secretKey), "invalid_argument"],
  ["a key file without a name", () => api.NixSecretKey.parse("abc"), "invalid_secret_key"],
  ["a public key without a name", () => api.NixPublicKey.parse("abc"), "invalid_public_key"],
  [
    "sign of an object",
    () => any.NixSecretKey.create("a", keys.secretKey).sign({}),
    "invalid_argument",
  ],
  [
    "a signature without a name",
    () =>
      api.NixSecretKey.create("a", keys.secretKey).publicKey.verify(
        new api.NarInfo(NARINFO),
        "abc",
      ),
    "invalid_signature",
  ],
  ["NarInfo before ready", () => new unloaded.NarInfo(NARINFO), "not_ready"],
  ["keys before ready", () => unloaded.NixPublicKey.parse("a:b"), "not_ready"],
];

test("hostile arguments get the right code and leave everything usable", async () => {
  await assertRefused(HOSTILE, [api.ChunkerError, unloaded.ChunkerError]);
  assert.deepEqual(await api.decompress("zstd", await api.compress("zstd", data)), data);
  console.log(`hostile arguments of codecs: ${HOSTILE.length} cases`);
});
