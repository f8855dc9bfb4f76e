// What the build writes to dist/inline: see `imports` of package.json.
declare module "#inline/*" {
  export const text: string;
}
