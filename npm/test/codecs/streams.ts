// Bytes as streams and back.

/** Returns a stream of `data` in pieces of so many bytes. */
export function streamOf(
  data: Uint8Array<ArrayBuffer>,
  piece: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= data.length) return controller.close();
      controller.enqueue(data.slice(at, at + piece));
      at += piece;
    },
  });
}

/** Returns all that `stream` gives; unlike a `Response`, passes its error on as it is. */
export async function collected(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let read = await reader.read(); !read.done; read = await reader.read())
    parts.push(read.value);
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
