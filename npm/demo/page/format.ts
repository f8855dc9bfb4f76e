// Figures and errors as people read them.

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** `1234567` → `1.23 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  const unit = Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** unit).toPrecision(3)} ${UNITS[unit]}`;
}

/** `75` → `1 min 15 s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function formatCount(count: number): string {
  return count.toLocaleString("en");
}

/** The part of `whole` that was saved: never rounded up to all of it, nor down to nothing. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0 || part === 0) return "0 %";
  const percent = (100 * part) / whole;
  if (part === whole) return "100 %";
  return `${Math.min(99.9, Math.max(0.1, percent)).toFixed(1)} %`;
}

const EXPLANATIONS: Readonly<Record<string, string>> = {
  aborted: "Cancelled. The server keeps what it has for a day: trying again does not send that.",
  network_error: "The server cannot be reached. What it has is kept: try again when it is back.",
  request_timeout: "The server did not answer in time. What it has is kept: try again.",
  redirected: "The server is at another address now.",
  body_too_large:
    "A proxy before the server does not take chunks of this size: choose finer chunks.",
  server_busy: "The server is busy. What it has is kept: try again in a moment.",
  insufficient_storage: "The server's disk is full.",
  chunk_too_large: "The server does not take chunks of this size: choose finer chunks.",
  manifest_too_large: "The file has more chunks than the server takes: choose coarser chunks.",
  source_changed: "The file was changed while it was read: choose it again.",
  source_unreadable:
    "The file can no longer be read. It was changed, moved or removed, or is a folder: choose it again.",
  memory_limit_exceeded: "The browser has not enough memory left for this page.",
  platform_hash_failed: "The browser could not hash a part of the file.",
};

/** Returns what happened and what one can do. */
export function explain(code: string, message: string): string {
  return EXPLANATIONS[code] ?? `The upload failed: ${message}`;
}
