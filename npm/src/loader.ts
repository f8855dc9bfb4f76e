// Loads a WebAssembly module. An entry file says where it is, or which addon replaces it; everything
// else calls `core()`.

import { type Bytes, bytesOf, isBytes } from "./bytes.js";
import { ChunkerError, counted } from "./errors.js";

/** A module, its bytes, or a response with its bytes. */
export type ModuleInput = WebAssembly.Module | Response | Bytes;

/** Where a module comes from. */
export type ModuleSource = () => Promise<ModuleInput>;

/** Compiles one module, once. */
export class Compiler {
  #sources: readonly ModuleSource[] = [];
  #syncSource: (() => Bytes) | undefined;
  #module: WebAssembly.Module | undefined;
  #compiling: Promise<WebAssembly.Module> | undefined;

  /** Sets where to find the module: sources are tried in order. The first call wins. */
  readonly setSource = (...from: ModuleSource[]): void => {
    if (this.#sources.length === 0) this.#sources = from;
  };

  /** Sets where to find the module synchronously. The first call wins. */
  readonly setSyncSource = (from: () => Bytes): void => {
    this.#syncSource ??= from;
    this.setSource(async () => from());
  };

  /** Returns the compiled module, from its sources or from what the caller passes. */
  readonly compile = (
    from?: ModuleInput | PromiseLike<ModuleInput>,
  ): Promise<WebAssembly.Module> => {
    const sources = from === undefined ? this.#sources : [async () => from as ModuleInput];
    this.#compiling ??= firstOf(sources).then(
      (module) => (this.#module ??= module),
      (cause: unknown) => {
        throw this.forget(cause);
      },
    );
    return this.#compiling;
  };

  /** Forgets the module, so that the next call tries again, and returns the error to throw. */
  protected forget(cause: unknown): ChunkerError {
    this.#module = undefined;
    this.#compiling = undefined;
    const message = "the WebAssembly module could not be loaded";
    return counted(new ChunkerError("not_ready", message, { cause }));
  }

  /** Whether the module can be had without waiting. */
  protected get immediate(): boolean {
    return this.#syncSource !== undefined;
  }

  /**
   * Returns the compiled module.
   *
   * @throws {ChunkerError} `not_ready` before {@link compile} has resolved, unless it is immediate.
   */
  readonly module = (): WebAssembly.Module => {
    if (this.#module !== undefined) return this.#module;
    if (this.#syncSource === undefined) throw notReady();
    this.#module = new WebAssembly.Module(bytesOf(this.#syncSource()));
    return this.#module;
  };
}

function notReady(): ChunkerError {
  return counted(
    new ChunkerError("not_ready", "the WebAssembly module is not loaded yet: await ready() first"),
  );
}

/** The JavaScript that wasm-bindgen generates for a module. */
export interface Glue {
  init(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  initSync(options: { module: WebAssembly.Module }): unknown;
}

/** Loads one module, once. */
export class Loader<G extends Glue> extends Compiler {
  #glue: G;
  #loaded = false;
  /** Shared by concurrent calls: a second instance would replace one in use. */
  #instantiating: Promise<void> | undefined;

  constructor(glue: G) {
    super();
    this.#glue = glue;
  }

  /** Uses the functions of `addon` instead of a module. */
  readonly use = (addon: Omit<G, keyof Glue>): void => {
    this.#glue = addon as G;
    this.#loaded = true;
  };

  /** Loads the module that {@link compile} finds. `ready()` is the public face of this. */
  readonly load = async (from?: object): Promise<void> => {
    if (this.#loaded) return;
    const module = await this.compile(from);
    if (this.#loaded) return;
    if (this.#instantiating === undefined && this.immediate) this.#instantiate(() => module);
    else await this.#instantiateAsync(module);
  };

  /**
   * Returns the functions of the loaded module.
   *
   * @throws {ChunkerError} `not_ready` before {@link load} has resolved, unless it is immediate.
   */
  readonly core = (): G => {
    if (this.#loaded) return this.#glue;
    if (this.#instantiating !== undefined || !this.immediate) throw notReady();
    this.#instantiate(this.module);
    return this.#glue;
  };

  #instantiate(module: () => WebAssembly.Module): void {
    try {
      this.#glue.initSync({ module: module() });
    } catch (cause) {
      throw this.forget(cause);
    }
    this.#loaded = true;
  }

  async #instantiateAsync(module: WebAssembly.Module): Promise<void> {
    const init = async () => this.#glue.init({ module_or_path: module });
    this.#instantiating ??= init().then(
      () => {
        this.#loaded = true;
      },
      (cause: unknown) => {
        this.#instantiating = undefined;
        // Otherwise there is an addon by now.
        if (!this.#loaded) throw this.forget(cause);
      },
    );
    await this.#instantiating;
  }
}

/** Compiles the module from the first source that has it; if none has, throws the first error. */
async function firstOf(sources: readonly ModuleSource[]): Promise<WebAssembly.Module> {
  let failure: { error: unknown } | undefined;
  for (const source of sources) {
    try {
      return await compiled(await source());
    } catch (error) {
      failure ??= { error };
    }
  }
  throw failure?.error ?? new Error("no entry file of the package was imported");
}

async function compiled(from: ModuleInput): Promise<WebAssembly.Module> {
  if (isBytes(from)) return WebAssembly.compile(bytesOf(from));
  if (!("arrayBuffer" in from)) return from;
  if (!from.ok) throw new Error(`${from.url}: status ${from.status}`);
  // Streaming requires the right content type, which not every server sends.
  const streams = from.headers.get("content-type") === "application/wasm";
  if (streams && "compileStreaming" in WebAssembly) return WebAssembly.compileStreaming(from);
  return WebAssembly.compile(await from.arrayBuffer());
}
