// The official vectors of the Remote Execution API's FAST_CDC_2020, for Node and for pages: its file
// fastcdc2020_test_vectors.txt. Their input is a picture that this repository does not have,
// `test/fixtures/SekienAkashita.jpg` of the `fastcdc` crate; REMOTE_EXECUTION_INPUT names it.

import type * as Api from "chunker-cdc";
import type { Outcome } from "./case-loop.js";

const INPUT_SHA256 = "d9e749d9367fc908876749d6502eb212fee88c9a94892fb07da5ef3ba8bc39ed";
const AVG_SIZE = 16_384;
const VECTORS = [
  {
    seed: 0,
    chunks: [
      [19186, "0f9efa589121d5d9e9e2c4ace91337d77cae866537143f6f15a0ffd525a77c2d"],
      [19279, "c7c86a165573c16448cda35c9169742e85645af42be22889f8b96b8ee0ec7cb0"],
      [17354, "bc88521e28a8b4479cdea5f75aa721a24f3a0a7d0be903aa6d505c574e51e89d"],
      [16387, "4b8dac2652e4685c629d2bb1ae9d4448e676b86f2e67ca0b2fff3d9580184b79"],
      [19940, "c0a7062da6f2386c28e086ee0cedd5732252741269838773cff1ddb05b2df6ed"],
      [17320, "7fa5b12134dc75cd2ac8dc60d3a8f3c8d22f0ee9d4cf74a4aa937e2a0d2d79a5"],
    ],
  },
  {
    seed: 666,
    chunks: [
      [17635, "cb3a9d80a3569772d4ed331ca37ab0c862c759897b890fc1aac90a4f2ea3a407"],
      [17334, "d758c6b7b0b7eef1e996f8ccd17de6c645360b03a26c35541e7581348ac08944"],
      [19136, "24846aefd89e510594bae3e9d7d5ea5012067601512610fed126a3c57ba993f5"],
      [17467, "efa785e1fefb49f190e665f72fd246c1442079874508c312196da1fb3040d00b"],
      [23593, "a2f557bdd8d40d8faada963ad5f91ec54b10ccee7c5ae72754a65137592dc607"],
      [14301, "e131100b4a7147ccad19dc63c4a2fac1f5d8b644e1373eeb6803825024234efc"],
    ],
  },
] as const;

/**
 * Runs the vectors of both seeds.
 *
 * @throws When `input` is not theirs.
 */
export async function runRemoteExecution(
  api: typeof Api,
  input: Uint8Array<ArrayBuffer>,
  where: string,
): Promise<Outcome> {
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", input));
  if (api.toHex(sha256) !== INPUT_SHA256) throw new Error("the input is not that of the vectors");
  const differences: string[] = [];
  for (const { seed, chunks } of VECTORS) {
    const sizes = { minSize: AVG_SIZE / 4, avgSize: AVG_SIZE, maxSize: 4 * AVG_SIZE };
    const profile = await api.profile({ ...sizes, level: 2, seed });
    if (seed === 0 && profile !== (await api.remoteExecutionProfile(AVG_SIZE))) {
      differences.push("profile");
    }
    const found = await api.chunk(input, { profile });
    const listed = found.map(({ length, hashHex }) => [length, hashHex]);
    if (JSON.stringify(listed) !== JSON.stringify(chunks)) differences.push(`seed ${seed}`);
  }
  const line = `remote execution: ${where}: ${VECTORS.length} lists, ${differences.length} differences`;
  return { line, differences };
}
