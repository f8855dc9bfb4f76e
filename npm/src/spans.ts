// Spans: work that takes time. `chunker-cdc/debug` shows them; otherwise nobody listens.

/** From which level on `chunker-cdc/debug` shows a span. */
export type SpanLevel = "info" | "debug" | "trace";

export type SpanFields = Readonly<Record<string, string | number>>;

/** Ends a span, and adds what is known only then. */
export type EndSpan = (fields?: SpanFields) => void;

type Listener = (level: SpanLevel, name: string, fields: SpanFields) => EndSpan | undefined;

let listener: Listener | undefined;
const ignore: EndSpan = () => {};

/** Calls `to` when a span begins, and what it returns when the span ends. The last call wins. */
export function listenToSpans(to: Listener | undefined): void {
  listener = to;
}

export function beginSpan(level: SpanLevel, name: string, fields: SpanFields = {}): EndSpan {
  return listener?.(level, name, fields) ?? ignore;
}
