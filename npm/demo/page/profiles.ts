import type { ChunkingOptions } from "chunker-wasm";

/** The chunk sizes to choose from; files share chunks only when they are cut with the same. */
export const PROFILES = {
  fine: {
    label: "fine, about 16 KiB",
    options: { minSize: 4096, avgSize: 16_384, maxSize: 65_536 },
  },
  medium: {
    label: "medium, about 64 KiB",
    options: { minSize: 16_384, avgSize: 65_536, maxSize: 262_144 },
  },
  coarse: { label: "coarse, about 1 MiB", options: {} },
} as const satisfies Record<string, { label: string; options: ChunkingOptions }>;

export type ProfileName = keyof typeof PROFILES;

export const DEFAULT_PROFILE: ProfileName = "medium";
