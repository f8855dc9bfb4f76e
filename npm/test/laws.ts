// Laws that hold in Node and in pages: every function throws when its law is broken.

import type * as Api from "chunker-cdc";
import { splitMix64 } from "./inputs.js";

export const SMALL = { minSize: 64, avgSize: 256, maxSize: 1024 } as const;
/** No power of two, and larger than one read of 1 MiB. */
export const LARGE = { minSize: 12288, avgSize: 100_002, maxSize: 1_500_000 } as const;

export type Law = (api: typeof Api) => Promise<void>;

export const LAWS: Record<string, Law> = {
  async any_split_of_the_input_gives_the_same_chunks(api) {
    const data = splitMix64(1, 40_001);
    const options = { profile: { ...SMALL, hash: "blake3" } } as const;
    const whole = await api.chunk(data, options);
    for (const piece of [1, 37, 63, 64, 65, 255, 1023, 1024, 1025, 4096, 40_000]) {
      const chunker = new api.Chunker(options);
      const found: Api.Chunk[] = [];
      for (let at = 0; at < data.length; at += piece) {
        found.push(
          ...chunker.feed(data.subarray(at, at + piece)),
          ...chunker.feed(new Uint8Array(0)),
        );
      }
      found.push(...chunker.finish());
      equal(found, whole, `pieces of ${piece}`);
    }
  },

  async chunks_cover_the_input_exactly(api) {
    for (const length of [0, 1, 63, 64, 65, 255, 256, 1023, 1024, 1025, 1026, 50_001]) {
      const data = splitMix64(length, length);
      let offset = 0;
      for (const chunk of await api.chunk(data, { profile: SMALL })) {
        const bytes = data.subarray(offset, offset + chunk.length);
        equal([chunk.offset, chunk.length], [offset, bytes.length], "place");
        equal(chunk.hashHex, api.toHex(await api.digest("sha256", bytes)), "digest");
        offset += chunk.length;
        const last = offset === length;
        if (chunk.length > 1024 || (chunk.length < 64 && !last))
          throw new Error("impossible length");
      }
      equal(offset, length, "length of all chunks");
    }
  },

  async all_sources_agree(api) {
    const data = splitMix64(2, 3_333_333);
    const padded = new Uint8Array(data.length + 5);
    padded.set(data, 3);
    const whole = await api.chunk(data, { profile: LARGE });
    if (whole.length < 10) throw new Error("too few chunks to show anything");
    const sources: Record<string, () => Api.ByteSource> = {
      Uint8Array: () => data,
      ArrayBuffer: () => data.buffer.slice(0, data.length),
      "view in the middle of a buffer": () => padded.subarray(3, 3 + data.length),
      DataView: () => new DataView(padded.buffer, 3, data.length),
      Blob: () => new Blob([data]),
      File: () => new File([data], "file"),
      "slice of a Blob": () => new Blob([padded]).slice(3, 3 + data.length),
      "stream of a Blob": () => new Blob([data]).stream(),
      "stream of any pieces": () => defaultStream(piecesOf(data, 99_999)),
      "stream of bytes": () => byteStream(piecesOf(data, 99_999)),
      "stream of one huge piece": () => defaultStream([data].values()),
      "async iterable": () => iterable(piecesOf(data, 65_537)),
      "async iterable of one huge piece": () => iterable([data].values()),
    };
    for (const [name, source] of Object.entries(sources)) {
      equal(await collected(api.chunks(source(), { profile: LARGE })), whole, name);
    }
    const transform = () => new api.ChunkTransform({ profile: LARGE });
    const transformed = defaultStream(piecesOf(data, 65_537)).pipeThrough(transform());
    equal(await streamed(transformed), whole, "ChunkTransform");
  },

  async payloads_are_the_bytes_of_their_chunks(api) {
    const large = splitMix64(3, 2_222_223);
    const small = splitMix64(3, 30_000);
    const runs = [
      { data: large, source: large, profile: LARGE },
      { data: large, source: new Blob([large]), profile: LARGE },
      { data: large, source: defaultStream(piecesOf(large, 777_777)), profile: LARGE },
      { data: small, source: iterable(piecesOf(small, 1)), profile: SMALL },
    ];
    for (const { data, source, profile } of runs) {
      let offset = 0;
      for await (const { chunk, payload } of api.chunksWithPayload(source, { profile })) {
        equal([chunk.offset, chunk.length], [offset, payload.length], "place");
        equal(payload.buffer.byteLength, payload.length, "a buffer of its own");
        equal(chunk.hashHex, api.toHex(await api.digest("sha256", payload)), "digest");
        for (const at of [0, payload.length >> 1, payload.length - 1]) {
          equal(payload[at], data[offset + at], "byte");
        }
        offset += chunk.length;
      }
      equal(offset, data.length, "length of all payloads");
    }
  },

  async a_cut_is_a_restart_point(api) {
    const data = splitMix64(4, 20_001);
    const whole = await api.chunk(data, { profile: SMALL });
    for (const [index, { offset }] of whole.entries()) {
      const rest = await api.chunk(data.subarray(offset), { profile: SMALL, offset });
      equal(rest, whole.slice(index), `restart at ${offset}`);
    }
  },

  async a_profile_is_one_value_however_it_is_written(api) {
    const written: [Api.ProfileInput | undefined, id: string][] = [
      [undefined, "fastcdc-v2020/nc1/262144-1048576-4194304/sha256"],
      [{}, "fastcdc-v2020/nc1/262144-1048576-4194304/sha256"],
      ["large", "fastcdc-v2020/nc1/262144-1048576-4194304/sha256"],
      ["medium", "fastcdc-v2020/nc1/16384-65536-262144/sha256"],
      ["small", "fastcdc-v2020/nc1/4096-16384-65536/sha256"],
      [{ hash: "blake3" }, "fastcdc-v2020/nc1/262144-1048576-4194304/blake3"],
      [{ ...SMALL, level: 1, seed: 0 }, "fastcdc-v2020/nc1/64-256-1024/sha256"],
      [{ ...SMALL, level: 0, seed: 0n }, "fastcdc-v2020/nc0/64-256-1024/sha256"],
      [{ ...SMALL, level: 2, seed: 666 }, "fastcdc-v2020/nc2/seed666/64-256-1024/sha256"],
      [{ ...SMALL, level: 2, seed: 666n }, "fastcdc-v2020/nc2/seed666/64-256-1024/sha256"],
      [
        { ...SMALL, seed: Number.MAX_SAFE_INTEGER },
        "fastcdc-v2020/nc1/seed9007199254740991/64-256-1024/sha256",
      ],
      [
        { ...SMALL, level: 3, seed: 2n ** 53n + 1n },
        "fastcdc-v2020/nc3/seed9007199254740993/64-256-1024/sha256",
      ],
      [
        { ...SMALL, seed: 2n ** 63n },
        "fastcdc-v2020/nc1/seed9223372036854775808/64-256-1024/sha256",
      ],
      [
        { ...SMALL, seed: 2n ** 64n - 1n, hash: "blake3" },
        "fastcdc-v2020/nc1/seed18446744073709551615/64-256-1024/blake3",
      ],
    ];
    const data = splitMix64(14, 700_001);
    for (const [input, id] of written) {
      equal(await api.profile(input), id, "id");
      equal(await api.profile(id), id, "id of the id");
      const found = await api.chunk(data, { profile: input });
      equal(await api.chunk(data, { profile: id }), found, `chunks of ${id}`);
      const manifest = api.Manifest.create(input, found);
      equal(manifest.profile, id, "profile of the manifest");
      equal(api.Manifest.create(id, found).rootDigestHex, manifest.rootDigestHex, "root digest");
      equal(api.Manifest.parse(manifest.toBytes()).profile, id, "profile of its bytes");
      equal(api.Manifest.fromJSON(manifest.toJSON()).profile, id, "profile of its JSON");
    }
    const remote = "fastcdc-v2020/nc2/131072-524288-2097152/sha256";
    equal(await api.remoteExecutionProfile(512 * 1024), remote, "remote execution");
  },

  async each_level_and_each_seed_cuts_elsewhere(api) {
    const data = splitMix64(15, 100_000);
    const profiles = [0, 1, 2, 3].flatMap((level) =>
      [0, 1, 666n, 2n ** 64n - 1n].map((seed) => ({ ...SMALL, level, seed })),
    );
    const lists = new Set<string>();
    for (const profile of profiles) {
      const found = await api.chunk(data, { profile });
      if (found.length < 200) throw new Error("too few chunks to show anything");
      lists.add(JSON.stringify(found));
    }
    equal(lists.size, profiles.length, "lists of chunks");
  },

  async many_chunkers_do_not_disturb_each_other(api) {
    const inputs = [5, 6, 7].map((seed) => splitMix64(seed, 30_000));
    const wanted = await Promise.all(inputs.map((data) => api.chunk(data, { profile: SMALL })));
    const chunkers = inputs.map(() => new api.Chunker({ profile: SMALL }));
    const found: Api.Chunk[][] = inputs.map(() => []);
    for (let at = 0; at < 30_000; at += 500) {
      for (const [i, chunker] of chunkers.entries()) {
        found[i]?.push(...chunker.feed((inputs[i] as Uint8Array).subarray(at, at + 500)));
      }
    }
    for (const [i, chunker] of chunkers.entries()) found[i]?.push(...chunker.finish());
    equal(found, wanted, "interleaved");
  },

  async a_manifest_survives_bytes_and_json(api) {
    for (const hash of ["sha256", "blake3"] as const) {
      const data = splitMix64(8, 10_000);
      const manifest = api.Manifest.create(
        { ...SMALL, hash },
        await api.chunk(data, { profile: { ...SMALL, hash } }),
      );
      const parsed = api.Manifest.parse(manifest.toBytes(), {
        maxBytes: manifest.toBytes().length,
      });
      const json = api.Manifest.fromJSON(JSON.parse(JSON.stringify(manifest)));
      const root = api.toHex(await api.digest(hash, manifest.toBytes()));
      for (const each of [manifest, parsed, json]) {
        equal(each.rootDigestHex, root, "root digest");
        equal(each.totalLength, data.length, "total length");
        equal(each.hash, hash, "hash");
        equal(each.profile, await api.profile({ ...SMALL, hash }), "profile");
        equal(each.chunks, manifest.chunks, "chunks");
        for (const [index, { offset, length }] of each.chunks.entries()) {
          each.verifyChunk(index, data.subarray(offset, offset + length));
        }
      }
    }
  },

  async a_manifest_verifies_its_input_and_nothing_else(api) {
    for (const { profile, data } of VERIFIED) {
      const manifest = api.Manifest.create(profile, await api.chunk(data, { profile }));
      const sources: Record<string, Api.ByteSource> = {
        bytes: data,
        Blob: new Blob([data]),
        "stream of one huge piece": defaultStream([data].values()),
        "pieces that end before and behind cuts": iterable(piecesOf(data, 999)),
      };
      for (const source of Object.values(sources)) await manifest.verify(source);
      const cut = manifest.chunks.at(-2) ?? { offset: 0, length: 0 };
      const end = data.length;
      const wrong: [string, Uint8Array, string][] = [
        ["first byte", edited(data, 0), "chunk_digest_mismatch"],
        ["last byte", edited(data, end - 1), "chunk_digest_mismatch"],
        ["byte before a cut", edited(data, cut.offset + cut.length - 1), "chunk_digest_mismatch"],
        ["byte behind a cut", edited(data, cut.offset + cut.length), "chunk_digest_mismatch"],
        ["one byte less", data.subarray(0, -1), "chunk_length_mismatch"],
        ["one chunk less", data.subarray(0, cut.offset + cut.length), "chunk_length_mismatch"],
        ["nothing", new Uint8Array(0), "chunk_length_mismatch"],
        ["one byte more", joined([data, new Uint8Array(1)]), "chunk_length_mismatch"],
        ["two megabytes more", joined([data, new Uint8Array(2e6)]), "chunk_length_mismatch"],
        ["twice", joined([data, data]), "chunk_length_mismatch"],
      ];
      for (const [what, bytes, code] of wrong) {
        for (const source of [bytes, iterable(piecesOf(bytes, 77_777))]) {
          equal(await codeOf(manifest.verify(source)), code, what);
        }
      }
    }
    const empty = api.Manifest.create({}, []);
    await empty.verify(new Uint8Array(0));
    equal(await codeOf(empty.verify(new Uint8Array(1))), "chunk_length_mismatch", "empty");
  },

  async reassembled_bytes_are_the_input_however_chunks_are_stored(api) {
    for (const { profile, data } of VERIFIED) {
      const manifest = api.Manifest.create(profile, await api.chunk(data, { profile }));
      const payload = ({ offset, length }: Api.Chunk) => data.slice(offset, offset + length);
      const fetches: Record<string, Api.ChunkFetch> = {
        bytes: payload,
        ArrayBuffer: (chunk) => payload(chunk).buffer,
        promise: async (chunk) => payload(chunk),
        "view of the input": ({ offset, length }) => data.subarray(offset, offset + length),
        "file that is read": ({ offset, length }) =>
          new Blob([data]).slice(offset, offset + length).arrayBuffer(),
      };
      for (const [what, fetch] of Object.entries(fetches)) {
        const parts = await collected(manifest.reassemble(fetch));
        if (!sameBytes(joined(parts), data)) throw new Error(`${what}: other bytes`);
      }
    }
  },

  async reassembled_bytes_are_a_correct_prefix_whatever_is_fetched(api) {
    const failure = new Error("gone");
    for (const { profile, data } of VERIFIED) {
      const { chunks } = api.Manifest.create(profile, await api.chunk(data, { profile }));
      const manifest = api.Manifest.create(profile, chunks);
      const payload = ({ offset, length }: Api.Chunk) => data.slice(offset, offset + length);
      const faults: [Api.ChunkFetch, code: string, cause?: unknown][] = [
        [(chunk) => edited(payload(chunk), chunk.length - 1), "chunk_digest_mismatch"],
        [(chunk) => payload(chunk).subarray(1), "chunk_length_mismatch"],
        [(chunk) => joined([payload(chunk), new Uint8Array(1)]), "chunk_length_mismatch"],
        [() => undefined, "chunk_unavailable"],
        [async () => null, "chunk_unavailable"],
        [() => Promise.reject(failure), "chunk_unavailable", failure],
        [
          () => {
            throw failure;
          },
          "chunk_unavailable",
          failure,
        ],
      ];
      for (const at of [0, chunks.length >> 1, chunks.length - 1]) {
        const { offset } = chunks[at] as Api.Chunk;
        for (const [fault, code, cause] of faults) {
          const parts: Uint8Array[] = [];
          const fetch: Api.ChunkFetch = (chunk, options) =>
            chunk.offset === offset ? fault(chunk, options) : payload(chunk);
          const reading = (async () => {
            for await (const bytes of manifest.reassemble(fetch)) parts.push(bytes);
          })();
          const error = await reading.catch((error: unknown) => error);
          equal((error as Api.ChunkerError | undefined)?.code, code, `${code} at chunk ${at}`);
          if ((error as Error).cause !== cause) throw new Error(`${code} has another cause`);
          if (!sameBytes(joined(parts), data.subarray(0, offset))) throw new Error("no prefix");
        }
      }
    }
  },

  async a_chunk_that_repeats_is_fetched_once_and_given_out_each_time(api) {
    for (const hash of ["sha256", "blake3"] as const) {
      const profile = { ...SMALL, hash };
      const data = new Uint8Array(10_000).fill(7);
      const manifest = api.Manifest.create(profile, await api.chunk(data, { profile }));
      if (manifest.chunks.length < 9) throw new Error("too few chunks to show anything");
      let fetches = 0;
      const fetch: Api.ChunkFetch = ({ offset, length }) => {
        fetches++;
        return data.slice(offset, offset + length);
      };
      let length = 0;
      for await (const bytes of manifest.reassemble(fetch)) {
        if (bytes.some((byte) => byte !== 7)) throw new Error("other bytes");
        length += bytes.length;
        bytes.fill(0);
      }
      equal([length, fetches], [data.length, 2], "the run, and the shorter last chunk");
    }
  },
};

/** Inputs that are hashed by each of the ways there are. */
const VERIFIED = (["sha256", "blake3"] as const).flatMap((hash) => [
  { profile: { ...SMALL, hash }, data: splitMix64(12, 5003) },
  { profile: { ...LARGE, hash }, data: splitMix64(13, 2_345_679) },
]);

function edited(data: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  const copy = data.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return "none";
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

export function* piecesOf(data: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += length) yield data.slice(at, at + length);
}

export async function* iterable(pieces: Iterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let next = pieces.next(); !next.done; next = pieces.next()) yield next.value;
}

export function defaultStream(pieces: Iterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const { done, value } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

/** A byte stream; an ordinary one where the engine has no others, such as WebKitGTK 2.50. */
export function byteStream(pieces: Iterator<Uint8Array>): ReadableStream<Uint8Array> {
  if (!("ReadableByteStreamController" in globalThis)) return defaultStream(pieces);
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const { done, value } = pieces.next();
      if (!done) return controller.enqueue(new Uint8Array(value));
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function streamed<T>(stream: ReadableStream<T>): Promise<T[]> {
  const reader = stream.getReader();
  const all: T[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read()) all.push(next.value);
  return all;
}

function equal(found: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what} differs`);
}
