import type { ProfileName } from "chunker-cdc";

/** The profiles to choose from; files share chunks only when they are cut with the same. */
export const PROFILES: Record<ProfileName, string> = {
  small: "small, about 16 KiB",
  medium: "medium, about 64 KiB",
  large: "large, about 1 MiB",
};

export const DEFAULT_PROFILE: ProfileName = "medium";
