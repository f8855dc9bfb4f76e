// The memory of buffers that are no longer used, freed without waiting for the garbage collector.

let isOn = false;

/** Turns this on: in pages and their workers, where the pieces of a file otherwise pile up. */
export function discardBuffers(): void {
  isOn = true;
}

/**
 * Returns an object that frees buffers, if `stream` is that of the platform's Blobs. By the File API, each of its
 * pieces has a buffer of its own; the stream of a package, or of a subclass, may yield bytes that it still needs.
 */
export function discarderFor({ stream }: Blob): Discarder | undefined {
  if (!isOn || !("MessageChannel" in globalThis)) return undefined;
  return stream === Blob.prototype.stream && isNative(stream) ? new Discarder() : undefined;
}

/** Whether the platform has `method`, and no package in its place. */
function isNative(method: () => unknown): boolean {
  return Function.prototype.toString.call(method).includes("[native code]");
}

/**
 * Sends buffers to nobody. A transferred buffer leaves the page's memory with its message; one detached by
 * `ArrayBuffer.prototype.transfer` stays there in Chromium until its object is collected.
 */
export class Discarder {
  readonly #port: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    this.#port = port1;
  }

  /** Frees the buffer of `piece`, which must not be used any more. */
  discard({ buffer }: Uint8Array): void {
    try {
      this.#port.postMessage(undefined, [buffer as ArrayBuffer]);
    } catch {
      // Ports of Cloudflare Workers transfer nothing: the garbage collector frees it.
    }
  }

  close(): void {
    this.#port.close();
  }
}
