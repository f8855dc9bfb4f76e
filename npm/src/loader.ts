// Loading of a WebAssembly module. An entry file says where it is, or what has the same functions;
// everything else asks `core()`.

import { type Bytes, bytesOf, isBytes } from "./bytes.js";
import { ChunkerError, counted } from "./errors.js";

/** What a module is made of: itself, a response that carries its bytes, or these. */
export type ModuleInput = WebAssembly.Module | Response | Bytes;

/** Where a module comes from. */
export type ModuleSource = () => Promise<ModuleInput>;

/** Compiles one module, once. */
export class Compiler {
  #sources: readonly ModuleSource[] = [];
  #syncSource: (() => Bytes) | undefined;
  #module: WebAssembly.Module | undefined;
  #compiling: Promise<WebAssembly.Module> | undefined;

  /** Says where the module is, and where else if it is not there. The first call wins. */
  readonly setSource = (...from: ModuleSource[]): void => {
    if (this.#sources.length === 0) this.#sources = from;
  };

  /** Says where the module is, at once. The first call wins. */
  readonly setSyncSource = (from: () => Bytes): void => {
    this.#syncSource ??= from;
    this.setSource(async () => from());
  };

  /** Returns the compiled module, from its sources or from what the caller has. */
  readonly compile = (
    from?: ModuleInput | PromiseLike<ModuleInput>,
  ): Promise<WebAssembly.Module> => {
    const sources = from === undefined ? this.#sources : [async () => from as ModuleInput];
    this.#compiling ??= firstOf(sources).then(
      (module) => (this.#module ??= module),
      (cause: unknown) => {
        this.#compiling = undefined;
        const message = "the WebAssembly module could not be loaded";
        throw counted(new ChunkerError("not_ready", message, { cause }));
      },
    );
    return this.#compiling;
  };

  /** Whether the module is there without waiting for it. */
  protected get immediate(): boolean {
    return this.#syncSource !== undefined;
  }

  /** Compiles the module from these bytes, at once. */
  readonly compileSync = (bytes: Bytes): WebAssembly.Module => {
    this.#module ??= new WebAssembly.Module(bytesOf(bytes));
    return this.#module;
  };

  /**
   * Returns the compiled module.
   *
   * @throws {ChunkerError} `not_ready` before {@link compile} has resolved, unless it is immediate.
   */
  readonly module = (): WebAssembly.Module => {
    if (this.#module !== undefined) return this.#module;
    if (this.#syncSource === undefined) throw notReady();
    return this.compileSync(this.#syncSource());
  };
}

function notReady(): ChunkerError {
  return counted(new ChunkerError("not_ready", "await ready() before using this"));
}

/** The JavaScript that wasm-bindgen writes for a module. */
export interface Glue {
  init(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  initSync(options: { module: WebAssembly.Module }): unknown;
}

/** Loads one module, once. */
export class Loader<G extends Glue> extends Compiler {
  #glue: G;
  #loaded = false;

  constructor(glue: G) {
    super();
    this.#glue = glue;
  }

  /** Says that `addon` has the functions, and no module is needed. */
  readonly use = (addon: Omit<G, keyof Glue>): void => {
    this.#glue = addon as G;
    this.#loaded = true;
  };

  /** Loads the module from bytes, at once. */
  readonly loadSync = (bytes: Bytes): void => this.#instantiate(() => this.compileSync(bytes));

  /** Loads the module, as {@link compile} finds it. `ready()` is the public name of this. */
  readonly load = async (from?: object): Promise<void> => {
    if (this.#loaded) return;
    const module = await this.compile(from);
    // Never both ways at once: the second would take the place of the first.
    if (this.immediate) this.#instantiate(() => module);
    else await this.#glue.init({ module_or_path: module });
    this.#loaded = true;
  };

  /**
   * The functions of the loaded module.
   *
   * @throws {ChunkerError} `not_ready` before {@link load} has resolved, unless it is immediate.
   */
  readonly core = (): G => {
    if (this.#loaded) return this.#glue;
    if (!this.immediate) throw notReady();
    this.#instantiate(this.module);
    return this.#glue;
  };

  #instantiate(module: () => WebAssembly.Module): void {
    if (this.#loaded) return;
    this.#glue.initSync({ module: module() });
    this.#loaded = true;
  }
}

/** Compiles what the first source has, or the next one; the error is that of the first. */
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
  // What is streamed has to have the right type, which some servers do not know.
  const streams = from.headers.get("content-type") === "application/wasm";
  if (streams && "compileStreaming" in WebAssembly) return WebAssembly.compileStreaming(from);
  return WebAssembly.compile(await from.arrayBuffer());
}
