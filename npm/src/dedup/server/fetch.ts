// For servers with the web's `Request` and `Response`: Hono, Next.js, Bun, Deno.

import { nextPiece, type Pieces } from "./addon.js";
import type { UploadHandlerOptions } from "./options.js";
import { LATE, within } from "./patience.js";
import { Shell } from "./shell.js";

/** How long to read and drop a refused body, in milliseconds: some servers cut the answer off otherwise. */
const LINGER_MS = 2_000;

/** Answers one request. */
export type FetchHandler = (request: Request) => Promise<Response>;

/**
 * Returns an upload protocol handler for servers with the web's `Request` and `Response`.
 *
 * It answers every request it is given, and unknown paths with 404: `app.all("/store/*", (context) =>
 * handler(context.req.raw))` with `prefix: "/store"`.
 *
 * @throws As {@link createUploadHandler}.
 */
export function createFetchHandler(options: UploadHandlerOptions<Request>): FetchHandler {
  const shell = new Shell(options);
  shell.open().catch((error) => shell.report(error));
  return async (request) => {
    const { method, url, signal, bodyUsed, body } = request;
    const isConsumed = bodyUsed || body?.locked === true;
    const reader = isConsumed ? undefined : body?.getReader();
    const { origin } = new URL(url);
    const reply = await shell.answer({
      request,
      method,
      target: (url.startsWith(origin) ? url.slice(origin.length) : url).replace(/#.*/s, ""),
      headers: [...request.headers].flat(),
      isConsumed,
      gone: signal,
      proceed() {},
      async next() {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
        return done ? undefined : value;
      },
    });
    if (reader !== undefined) void drop(reader);
    if (reply === undefined) throw signal.reason;
    const headers = new Headers();
    for (let at = 0; at < reply.headers.length; at += 2) {
      headers.append(reply.headers[at] as string, reply.headers[at + 1] as string);
    }
    const { status } = reply;
    const bytes =
      reply.body === null || reply.body instanceof Uint8Array
        ? (reply.body as BodyInit | null)
        : streamOf(reply.body, shell.stallTimeoutMs, (error) => shell.report(error, request));
    return new Response(bytes, { status, headers });
  };
}

/** Reads and drops the rest of a body, for a limited time. */
async function drop(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), LINGER_MS);
  try {
    while (!(await reader.read()).done);
  } catch {
    // The client has closed the connection.
  } finally {
    clearTimeout(timer);
  }
}

/** Returns a stream that fails if its reader pauses too long. */
function streamOf(
  pieces: Pieces,
  stallTimeoutMs: number,
  report: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  let taken = () => {};
  let isLeft = false;
  const watch = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const pulled = new Promise<void>((resolve) => {
      taken = resolve;
    });
    void within(stallTimeoutMs, pulled).then((late) => {
      if (late !== LATE) return;
      pieces.free();
      controller.error(new Error(`the answer was not read for ${stallTimeoutMs} ms`));
    });
  };
  return new ReadableStream(
    {
      start: watch,
      async pull(controller) {
        taken();
        try {
          const piece = await nextPiece(pieces);
          if (piece !== null) {
            controller.enqueue(piece);
            watch(controller);
            return;
          }
          controller.close();
        } catch (error) {
          if (!isLeft) report(error); // an abandoned answer has not failed
          controller.error(error);
        }
        pieces.free();
      },
      cancel() {
        isLeft = true;
        taken();
        pieces.free();
      },
    },
    { highWaterMark: 0 },
  );
}
