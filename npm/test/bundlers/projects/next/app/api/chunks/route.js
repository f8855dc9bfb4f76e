import { backend } from "chunker-cdc";
import { probe } from "../../../probe.js";

export const dynamic = "force-dynamic";

export async function GET() {
  return new Response(await probe(), { headers: { "x-backend": backend() } });
}
