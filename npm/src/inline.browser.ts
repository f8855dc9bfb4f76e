// Files of the package inside of JavaScript, for what bundles it without knowing `new URL(…,
// import.meta.url)`. Where package.json has nothing for the condition `production`, or where nobody
// resolves `#inline/…`, there is none.

/**
 * A file as text: a script, or a module with gzip and base64. It is CommonJS, of which some bundlers
 * give only the whole.
 */
export type Inlined = { readonly text: string } | { readonly default: { readonly text: string } };

/** Returns the text of a file. */
export async function textOf(file: Promise<Inlined>): Promise<string> {
  const inlined = await file;
  const { text } = "text" in inlined ? inlined : inlined.default;
  if (text === "") throw new Error("this bundle does not contain the module's copy");
  return text;
}

/** Returns the bytes of a module. */
export async function unpacked(file: Promise<Inlined>): Promise<ArrayBuffer> {
  const packed = Uint8Array.from(atob(await textOf(file)), (character) => character.charCodeAt(0));
  const bytes = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(bytes).arrayBuffer();
}
