// Spans: work that takes time. `chunker-cdc/debug` shows them; otherwise nobody listens.

/** The lowest level at which `chunker-cdc/debug` shows a span. */
export type SpanLevel = "info" | "debug" | "trace";

/** What a span says about its work. */
export type SpanFields = Readonly<Record<string, string | number>>;

/** Ends a span, and adds fields that are known only then. */
export type EndSpan = (fields?: SpanFields) => void;

type Listener = (level: SpanLevel, name: string, fields: SpanFields) => EndSpan | undefined;

let listener: Listener | undefined;
const ignore: EndSpan = () => {};

/** Calls `to` when a span begins, and the function that it returns when the span ends. Replaces earlier listeners. */
export function listenToSpans(to: Listener | undefined): void {
  listener = to;
}

/** Begins a span, and returns the function that ends it. */
export function beginSpan(level: SpanLevel, name: string, fields: SpanFields = {}): EndSpan {
  return listener?.(level, name, fields) ?? ignore;
}
