const headers = [
  { key: "cross-origin-opener-policy", value: "same-origin" },
  { key: "cross-origin-embedder-policy", value: "require-corp" },
];

/** How the README has the package left out of the bundle. */
const external = {
  serverExternalPackages: ["chunker-cdc"],
  outputFileTracingIncludes: { "/**": ["../node_modules/chunker-cdc-*/**"] },
};

export default {
  ...(process.env.EXTERNAL && external),
  output: "standalone",
  headers: async () => [{ source: "/:path*", headers }],
};
