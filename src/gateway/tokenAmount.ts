import { formatUnits } from "ethers";
import { html } from "hono/html";
import type { Html } from "./page.ts";

/** OPG has 18 decimals. */
const DECIMALS = 18;

/** An amount for people: in OPG, and exactly in atomic units. */
export function tokenAmount(atomicUnits: string): Html {
  return html`${formatUnits(atomicUnits, DECIMALS)} OPG <span class="units">(${atomicUnits} atomic units)</span>`;
}
