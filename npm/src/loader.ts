// Loading of a WebAssembly module. An entry file says where it is, or what has the same functions;
// everything else asks `core()`.

import { ChunkerError, counted } from "./errors.js";

/** Where a module comes from: fetched, or bytes. */
export type ModuleSource = () => Promise<Response | BufferSource>;

/** The JavaScript that wasm-bindgen writes for a module. */
export interface Glue {
  init(options: { module_or_path: Response | BufferSource }): Promise<unknown>;
  initSync(options: { module: BufferSource }): unknown;
}

/** Loads one module, once. */
export class Loader<G extends Glue> {
  #glue: G;
  #loaded = false;
  #loading: Promise<void> | undefined;
  #source: ModuleSource | undefined;
  #syncSource: (() => BufferSource) | undefined;

  constructor(glue: G) {
    this.#glue = glue;
  }

  /** Says where {@link load} finds the module. The first source wins. */
  readonly setSource = (from: ModuleSource): void => {
    this.#source ??= from;
  };

  /** Says where {@link core} finds the module when it is needed. The first source wins. */
  readonly setSyncSource = (from: () => BufferSource): void => {
    this.#syncSource ??= from;
    this.setSource(async () => from());
  };

  /** Says that `addon` has the functions, and no module is needed. */
  readonly use = (addon: Omit<G, keyof Glue>): void => {
    this.#glue = addon as G;
    this.#loaded = true;
  };

  /** Loads the module from bytes, at once. */
  readonly loadSync = (bytes: BufferSource): void => {
    if (!this.#loaded) {
      this.#glue.initSync({ module: bytes });
      this.#loaded = true;
    }
  };

  /** Loads the module from its source. `ready()` is the public name of this. */
  readonly load = (): Promise<void> => {
    this.#loading ??= this.#instantiate().catch((cause: unknown) => {
      this.#loading = undefined;
      const message = "the WebAssembly module could not be loaded";
      throw counted(new ChunkerError("not_ready", message, { cause }));
    });
    return this.#loading;
  };

  /**
   * The functions of the loaded module.
   *
   * @throws {ChunkerError} `not_ready` before {@link load} has resolved.
   */
  readonly core = (): G => {
    if (!this.#loaded && this.#syncSource !== undefined) this.loadSync(this.#syncSource());
    if (!this.#loaded) {
      throw counted(new ChunkerError("not_ready", "await ready() before using this"));
    }
    return this.#glue;
  };

  async #instantiate(): Promise<void> {
    if (this.#loaded) return;
    if (this.#source === undefined) throw new Error("no entry file of the package was imported");
    const from = await this.#source();
    if (from instanceof Response && !from.ok) throw new Error(`${from.url}: status ${from.status}`);
    await this.#glue.init({ module_or_path: from });
    this.#loaded = true;
  }
}
