// Laws of the codecs, signatures and keys that hold in Node and in pages: every function throws when
// its law is broken.

import type * as Api from "chunker-cdc/codecs";
import { bytesOf, splitMix64 } from "../inputs.js";
import { hex, unhex } from "./conformance.js";
import { collected, streamOf } from "./streams.js";

export const CODECS = ["zstd", "lz4", "xz", "bzip2"] as const;
export type Law = (api: typeof Api) => Promise<void>;

const INPUTS: Record<string, Uint8Array<ArrayBuffer>> = {
  empty: new Uint8Array(0),
  "one byte": new Uint8Array([7]),
  text: words(300_000),
  random: splitMix64(2, 300_001),
  zeros: new Uint8Array(2_500_000),
};
/** How narinfo files of a store begin, and what Nix signs of one. */
const NARINFO = {
  storePath: "/nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin",
  narHash: unhex("1b4f0e9851971998e732078544c96b36c3d01cedf7caa332359d6f1d83567014"),
  narSize: 196_040,
  references: [
    "/nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin",
    "/nix/store/0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0",
  ],
};

export const LAWS: Record<string, Law> = {
  async what_is_compressed_reads_back_in_one_call_and_in_streams(api) {
    for (const codec of CODECS) {
      for (const [name, data] of Object.entries(INPUTS)) {
        const compressed = await api.compress(codec, data);
        equal(await api.detectCodec(compressed), codec, `${name}: codec`);
        same(await api.decompress(codec, compressed), data, `${codec} ${name}`);
        same(await api.decompressAuto(compressed), data, `${codec} ${name}, by its first bytes`);
        for (const piece of [1000, 65_536, 3_000_000]) {
          const stream = streamOf(data, piece)
            .pipeThrough(new api.CompressTransform(codec))
            .pipeThrough(new api.DecompressTransform(codec));
          same(await collected(stream), data, `${codec} ${name} in pieces of ${piece}`);
        }
      }
    }
    equal(await api.detectCodec(INPUTS.text as Uint8Array), undefined, "codec of text");
    equal(await code(() => api.decompressAuto(new Uint8Array(9))), UNKNOWN, "zeros");
  },

  async levels_are_used_and_checked(api) {
    const data = INPUTS.text as Uint8Array;
    const levels = { zstd: [-5, 19], xz: [0, 6], bzip2: [1, 9], lz4: [1, 1] } as const;
    for (const codec of CODECS) {
      const [low, high] = levels[codec];
      const [a, b] = [
        await api.compress(codec, data, { level: low }),
        await api.compress(codec, data, { level: high }),
      ];
      equal(b.length <= a.length, true, `${codec} gets smaller`);
      for (const level of [-131_073, 23, 1.5, Number.NaN]) {
        const wrong = () => api.compress(codec, data, { level });
        equal(await code(wrong), "invalid_compression_level", `${codec} ${level}`);
      }
    }
  },

  async output_of_exactly_the_limit_passes_and_one_byte_more_does_not(api) {
    for (const codec of CODECS) {
      for (const [name, data] of Object.entries(INPUTS)) {
        const compressed = await api.compress(codec, data);
        const exact = { maxOutput: data.length };
        same(await api.decompress(codec, compressed, exact), data, `${codec} ${name}`);
        const stream = () =>
          streamOf(compressed, 10_000).pipeThrough(new api.DecompressTransform(codec, exact));
        same(await collected(stream()), data, `${codec} ${name} in a stream`);
        if (data.length === 0) continue;
        const less = { maxOutput: data.length - 1 };
        equal(await code(() => api.decompress(codec, compressed, less)), SIZE, `${codec} ${name}`);
        const failing = () =>
          collected(
            streamOf(compressed, 10_000).pipeThrough(new api.DecompressTransform(codec, less)),
          );
        equal(await code(failing), SIZE, `${codec} ${name} in a stream`);
      }
    }
  },

  async truncated_and_trailing_data_are_errors(api) {
    for (const codec of CODECS) {
      const whole = await api.compress(codec, INPUTS.text as Uint8Array);
      for (const length of [0, 1, whole.length >> 1, whole.length - 1]) {
        const part = whole.slice(0, length);
        equal(await code(() => api.decompress(codec, part)), "truncated_data", codec);
        const stream = () =>
          collected(streamOf(part, 999).pipeThrough(new api.DecompressTransform(codec)));
        equal(await code(stream), "truncated_data", `${codec} in a stream`);
      }
      const longer = new Uint8Array([...whole, ...new TextEncoder().encode("more behind the end")]);
      const failed = `${codec}_decompression_failed`;
      equal(await code(() => api.decompress(codec, longer)), failed, codec);
      const stream = () =>
        collected(streamOf(longer, 999).pipeThrough(new api.DecompressTransform(codec)));
      equal(await code(stream), failed, `${codec} in a stream`);
    }
  },

  async a_bomb_is_stopped_at_the_limit(api) {
    for (const codec of CODECS) {
      const zeros = new Uint8Array(20_000_000);
      const options = codec === "xz" ? { level: 0 } : {};
      const bomb = await api.compress(codec, zeros, options);
      const start = performance.now();
      equal(await code(() => api.decompress(codec, bomb, { maxOutput: 1_000_000 })), SIZE, codec);
      const took = performance.now() - start;
      if (took > 1000) throw new Error(`${codec} took ${took} ms`);
    }
  },

  async a_stream_decompresses_no_more_than_is_read(api) {
    const bomb = await api.compress("zstd", new Uint8Array(200_000_000));
    const stream = streamOf(bomb, bomb.length).pipeThrough(new api.DecompressTransform("zstd"));
    const reader = stream.getReader();
    let length = 0;
    for (let i = 0; i < 20; i++) length += (await reader.read()).value?.length ?? 0;
    equal(length > 0 && length <= 20 * 65_536, true, "a block at a time");
    await reader.cancel("enough");
  },

  async ends_of_a_stream_hear_of_each_other(api) {
    const bomb = await api.compress("zstd", new Uint8Array(10_000_000));
    for (const make of [
      () => new api.DecompressTransform("zstd"),
      () => new api.CompressTransform("zstd"),
    ]) {
      const cancelled = make();
      const writer = cancelled.writable.getWriter();
      const writing = code(async () => {
        for (let i = 0; i < 1000; i++) await writer.write(bomb);
      });
      await cancelled.readable.cancel(Object.assign(new Error("gone"), { code: "gone" }));
      equal(await writing, "gone", "a write after the reader has gone");

      const aborted = make();
      const reading = code(() => collected(aborted.readable));
      const sink = aborted.writable.getWriter();
      sink.write(bomb).catch(() => {});
      sink.closed.catch(() => {});
      await sink.abort(Object.assign(new Error("gone"), { code: "gone" }));
      equal(await reading, "gone", "a read after the writer has gone");
    }
    const stuck = new api.DecompressTransform("zstd");
    const sink = stuck.writable.getWriter();
    sink.closed.catch(() => {});
    const writing = code(() => sink.write(bomb));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const aborting = sink.abort(Object.assign(new Error("gone"), { code: "gone" }));
    await Promise.all([writing, aborting]);
    equal(await code(() => collected(stuck.readable)), "gone", "abort of a write nobody reads");
  },

  async a_dictionary_shrinks_small_inputs_and_is_needed_to_read_them(api) {
    const sample = (seed: number) =>
      new TextEncoder().encode(
        JSON.stringify({ name: `user ${seed * 7919}`, roles: ["reader"], seed }),
      );
    const samples = Array.from({ length: 500 }, (_, seed) => sample(seed));
    const dictionary = await api.trainDictionary(samples, 2048);
    const data = sample(12_345);
    const [small, plain] = [
      await api.compress("zstd", data, { dictionary }),
      await api.compress("zstd", data),
    ];
    equal(small.length < plain.length, true, `${small.length} bytes, ${plain.length} without`);
    same(await api.decompress("zstd", small, { dictionary }), data, "with the dictionary");
    const stream = streamOf(small, 5).pipeThrough(
      new api.DecompressTransform("zstd", { dictionary }),
    );
    same(await collected(stream), data, "in a stream");
    for (const level of [undefined, 1, 19]) {
      const written = streamOf(data, 7).pipeThrough(
        new api.CompressTransform("zstd", { dictionary, level }),
      );
      const whole = await api.compress("zstd", data, { dictionary, level });
      same(await collected(written), whole, "written by a stream");
    }
    const damaged = dictionary.slice(0, 100);
    for (const [wrong, expected] of [
      [{ level: 23 }, "invalid_compression_level"],
      [{ dictionary: damaged }, "zstd_compression_failed"],
    ] as const) {
      const options = { dictionary, ...wrong };
      const streamed = () =>
        collected(streamOf(data, 7).pipeThrough(new api.CompressTransform("zstd", options)));
      equal(await code(() => api.compress("zstd", data, options)), expected, "in one call");
      equal(await code(streamed), expected, "written by a stream");
    }
    equal(await code(() => api.decompress("zstd", small)), "zstd_decompression_failed", "without");
    const few = () => api.trainDictionary([data], 2048);
    equal(await code(few), "zstd_compression_failed", "one sample");
  },

  async adaptive_compression_leaves_alone_what_does_not_shrink(api) {
    const { text, random } = INPUTS as { text: Uint8Array; random: Uint8Array };
    for (const codec of CODECS) {
      const smaller = await api.compressAdaptive(codec, text);
      equal(smaller.compressed, true, codec);
      same(await api.decompress(codec, smaller.data), text, codec);
      for (const data of [random, await api.compress("zstd", text), new Uint8Array(0)]) {
        const stored = await api.compressAdaptive(codec, data);
        equal(stored.compressed, false, codec);
        same(stored.data, data, codec);
      }
    }
  },

  async a_signature_holds_for_its_data_and_key_alone(api) {
    const [ours, other] = [await api.generateKeypair(), await api.generateKeypair()];
    const data = INPUTS.random as Uint8Array;
    const signature = await api.sign(data, ours.secretKey);
    const texts = [api.toBase64(signature), api.toBase64(ours.publicKey)] as const;
    await api.verify(data, signature, ours.publicKey);
    await api.verify(data, ...texts);
    same(await api.sign(data, api.toBase64(ours.secretKey)), signature, "by the key as a text");
    same(await api.sign(data, ours.secretKey.subarray(0, 32)), signature, "by the seed");
    const failed = "verification_failed";
    equal(await code(() => api.verify(data, signature, other.publicKey)), failed, "another key");
    equal(await code(() => api.verify(data.slice(1), ...texts)), failed, "other data");
    equal(hex(ours.secretKey.subarray(32)), hex(ours.publicKey), "halves of a key");
    equal(hex(ours.publicKey) === hex(other.publicKey), false, "two keys are equal");
  },

  async narinfo_files_are_written_as_they_were_read(api) {
    const references = NARINFO.references.map((path) => path.replace("/nix/store/", ""));
    const text = [
      `StorePath: ${NARINFO.storePath}`,
      "URL: nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.xz",
      "Compression: xz",
      "FileHash: sha256:1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3",
      "FileSize: 4029176",
      `NarHash: ${await api.nixHashEncode(NARINFO.narHash, "base32")}`,
      `NarSize: ${NARINFO.narSize}`,
      `References: ${references.toSorted().join(" ")}`,
      "Deriver: syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0.drv",
      "Sig: a-1:AAAA",
      "Sig: b-1:BBBB",
      "CA: fixed:r:sha256:1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3",
      "X-Other: kept: as it is ",
      "",
    ].join("\n");
    const file = await api.parseNarInfo(text);
    equal(await api.formatNarInfo(file), text, "written");
    equal(hex(file.narHash), hex(NARINFO.narHash), "NarHash");
    equal(file.narSize, NARINFO.narSize, "NarSize");
    equal(String(file.signatures), "a-1:AAAA,b-1:BBBB", "signatures");
    const other = JSON.stringify(file.other);
    equal(other, '[["X-Other","kept: as it is "]]', "fields of other names");
    const plain = await api.formatNarInfo({ ...NARINFO, url: "nar/x.nar" });
    equal((await api.parseNarInfo(plain)).compression, "none", "compression");
    for (const [bad, expected] of [
      [text.slice(0, -1), "invalid_narinfo"],
      [text.replace("URL: ", "URL "), "invalid_narinfo"],
      [text.replace(/NarSize: .*/, "NarSize: 0"), "invalid_nar_size"],
      [text.replace(/NarSize: .*/, "NarSize: 9007199254740992"), "invalid_argument"],
      [text.replace("/nix/store/", "/nix/../"), "invalid_store_path"],
    ] as const) {
      equal(await code(() => api.parseNarInfo(bad)), expected, bad.slice(0, 20));
    }
    const line = { ...NARINFO, url: "a\nSig: b" };
    equal(await code(() => api.formatNarInfo(line)), "invalid_narinfo", "a line feed");
    const unknown = { ...NARINFO, url: "a", name: "b" };
    equal(await code(() => api.formatNarInfo(unknown)), "invalid_argument", "an unknown field");
    for (const format of ["base32", "base16", "sri"] as const) {
      const hash = await api.nixHashEncode(NARINFO.narHash, format);
      same(await api.nixHashDecode(hash), NARINFO.narHash, format);
    }
    equal(await code(() => api.nixHashDecode("md5:00")), "invalid_nix_hash", "another algorithm");
  },

  async references_are_taken_out_and_put_back(api) {
    const stream = new TextEncoder().encode(`${NARINFO.references.join(" ")}/bin`);
    const normalizer = new api.ReferenceNormalizer(NARINFO.references);
    const first = normalizer.push(stream);
    const { rest, patches } = normalizer.finish();
    const normalized = new Uint8Array(stream.length);
    normalized.set(first);
    normalized.set(rest, first.length);
    equal(normalized.slice(11, 43).some(Boolean), false, "the first hash");
    equal(patches.count, 2, "patches");
    equal(patches.streamLength, stream.length, "length");
    equal(patches.references.length, 2, "references");
    same(patches.restore(normalized), stream, "restored");
    same(patches.restore(normalized.subarray(20), 20), stream.subarray(20), "a range");
    equal(await code(async () => patches.restore(stream)), "placeholder_missing", "another stream");
    equal(await code(async () => patches.restore(stream, 1)), "stream_length_mismatch", "too long");
    equal(await code(async () => normalizer.push(stream)), "chunker_closed", "after its end");
    const parsed = api.ReferencePatches.parse(patches.toBytes());
    same(parsed.toBytes(), patches.toBytes(), "patches that were written and read");
    const parse = (text: string) => async () =>
      api.ReferencePatches.parse(new TextEncoder().encode(text));
    equal(await code(parse("CNR2")), "unsupported_patches_version", "a version");
    equal(await code(parse("CNR1\0\0\0\0")), "invalid_patches", "trailing bytes");
    equal(
      await code(async () => new api.ReferenceNormalizer(["a"])),
      "invalid_store_hash",
      "a path",
    );
    const many = Array.from({ length: 65_537 }, () => NARINFO.storePath);
    equal(await code(async () => new api.ReferenceNormalizer(many)), "too_many_references", "many");
    for (const handle of [patches, parsed, normalizer]) handle[Symbol.dispose]();
    equal(await code(async () => patches.count), "chunker_closed", "after disposal");
  },

  async narinfo_files_are_signed_as_nix_signs_them(api) {
    const { secretKey } = await api.generateKeypair();
    const key = api.NixSecretKey.create("cache.example.org-1", secretKey);
    const narInfo = new api.NarInfo(NARINFO);
    const hash = await api.nixBase32Encode(NARINFO.narHash);
    const references = NARINFO.references.toSorted().join(",");
    equal(
      narInfo.fingerprint,
      `1;${NARINFO.storePath};sha256:${hash};${NARINFO.narSize};${references}`,
      "fingerprint",
    );
    const line = key.sign(narInfo);
    const [name, base64] = line.split(":") as [string, string];
    equal(name, "cache.example.org-1", "name");
    const signed = new TextEncoder().encode(narInfo.fingerprint);
    await api.verify(signed, base64, secretKey.slice(32));
    key.publicKey.verify(narInfo, line);
    equal(key.publicKey.name, name, "name of the public key");
    const again = api.NixSecretKey.parse(key.toText());
    equal(again.sign(narInfo), line, "a key that was written and read");
    const read = api.NixPublicKey.parse(String(key.publicKey));
    read.verify(narInfo, line);
    const other = new api.NarInfo({ ...NARINFO, narSize: 1, references: undefined });
    equal(
      await code(async () => read.verify(other, line)),
      "verification_failed",
      "another narinfo",
    );
    for (const handle of [key, again, narInfo, other, read]) handle[Symbol.dispose]();
    equal(await code(async () => key.sign(narInfo)), "chunker_closed", "after disposal");
  },
};

/** Words of a small vocabulary, which every codec makes smaller. */
function words(length: number): Uint8Array<ArrayBuffer> {
  const letters = bytesOf({ kind: "text", seed: 1, length: 1024 });
  const text = new Uint8Array(length);
  let at = 0;
  for (const pick of splitMix64(3, length)) {
    const word = letters.subarray(4 * pick, 4 * pick + 3 + (pick % 6)).subarray(0, length - at);
    text.set(word, at);
    at += word.length;
  }
  return text;
}

const SIZE = "size_exceeded";
const UNKNOWN = "unknown_compression_format";

async function code(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
    return "no error";
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

function same(found: Uint8Array, wanted: Uint8Array, what: string): void {
  const different = found.findIndex((byte, at) => byte !== wanted[at]);
  if (found.length === wanted.length && different === -1) return;
  throw new Error(`${what}: ${found.length} bytes, ${wanted.length} wanted, at ${different}`);
}

function equal(found: unknown, wanted: unknown, what: string): void {
  if (found === wanted) return;
  throw new Error(`${what}: ${String(found)} is not ${String(wanted)}`);
}
