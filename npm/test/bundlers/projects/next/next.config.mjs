const headers = [
  { key: "cross-origin-opener-policy", value: "same-origin" },
  { key: "cross-origin-embedder-policy", value: "require-corp" },
];

export default {
  output: "standalone",
  headers: async () => [{ source: "/:path*", headers }],
};
