const { chunk, ChunkerError, chunks, Manifest } = require("chunker-cdc");
const { compress, CompressTransform, decompress } = require("chunker-cdc/codecs");
const { upload } = require("chunker-cdc/dedup");
const { ChunkerPool } = require("chunker-cdc/pool");
const { ThreadedChunker } = require("chunker-cdc/threads");

const data = new Uint8Array(2_000_000).map((_, index) => (index * index) >> 7);
const profile = { minSize: 4096, avgSize: 16384, maxSize: 65536 };

test("bytes of every kind have the same chunks", async () => {
  const found = await chunk(data, { profile });
  expect(found.length).toBeGreaterThan(10);
  for (const bytes of [Buffer.from(data), data.buffer, new DataView(data.buffer)]) {
    expect(await chunk(bytes, { profile })).toEqual(found);
  }
});

test("sources of every kind have the same chunks", async () => {
  const found = await chunk(data, { profile });
  const blob = new Blob([data]);
  const sources = [blob, new File([data], "name"), once(data)];
  if (blob.stream !== undefined) sources.push(blob.stream());
  for (const source of sources) {
    const read = [];
    for await (const each of chunks(source, { profile })) read.push(each);
    expect(read).toEqual(found);
  }
});

async function* once(piece) {
  yield piece;
}

test("errors have their class and code", async () => {
  await expect(chunk(5)).rejects.toBeInstanceOf(ChunkerError);
  await expect(chunk(5)).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(chunk(data, { profile: { minSize: 3 } })).rejects.toMatchObject({
    code: "invalid_chunking_options",
  });
  await expect(decompress("zstd", data)).rejects.toMatchObject({
    code: "zstd_decompression_failed",
  });
});

test("a signal aborts", async () => {
  const controller = new AbortController();
  controller.abort("why");
  const { signal } = controller;
  await expect(chunk(data, { signal })).rejects.toMatchObject({ code: "aborted", cause: "why" });
});

test("codecs return what they were given", async () => {
  expect(new Uint8Array(await decompress("xz", await compress("xz", data)))).toEqual(data);
  expect(typeof CompressTransform).toBe("function");
});

test("a manifest is parsed", async () => {
  const manifest = Manifest.create(profile, await chunk(data, { profile }));
  expect(Manifest.parse(manifest.toBytes()).rootDigestHex).toBe(manifest.rootDigestHex);
  expect(() => Manifest.parse(new Uint8Array(5))).toThrow(
    expect.objectContaining({ code: "invalid_manifest" }),
  );
});

test("a pool and threads find the same chunks, in bytes and in files", async () => {
  const found = await chunk(data, { profile });
  for (const workers of [new ChunkerPool({ workers: 2 }), new ThreadedChunker({ threads: 2 })]) {
    expect(await workers.chunk(data, { profile })).toEqual(found);
    const read = [];
    for await (const each of workers.chunks(new Blob([data]), { profile })) read.push(each);
    expect(read).toEqual(found);
    await expect(workers.chunk(5)).rejects.toMatchObject({ code: "invalid_argument" });
    await workers.close();
  }
});

test("the uploads are there", () => expect(typeof upload).toBe("function"));
