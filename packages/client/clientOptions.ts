import type { z } from "zod";
import type { networkJson } from "../protocol/network.ts";
import type { AccountOptions } from "./accountOptions.ts";
import type { AllowancePolicy } from "./allowancePolicy.ts";
import type { ClientState } from "./clientState.ts";
import type { Clock, Fetch, RandomBytes } from "./fetch.ts";
import type { PaymentSigner } from "./signer.ts";
import type { SpendingLimits } from "./spending.ts";

/** What a client is made with. The limits are on OPG; those of other tokens are named with them. */
export interface ClientOptions extends SpendingLimits {
  /** URL of the gateway. */
  gateway: string;
  signer: PaymentSigner;
  /** The network's `network.json`, to hold the gateway to; without it the gateway's own is believed once and kept. */
  network?: z.input<typeof networkJson>;
  /** Tokens besides OPG that `fetch` may pay with, by address on the network's chain, the preferred one first. */
  allowedAssets?: Readonly<Record<string, SpendingLimits>>;
  /** Has inferences paid out of a prefunded account, by two signatures and no transaction; `fetch` pays out of the wallet. */
  account?: AccountOptions;
  /** What to do where Permit2 may not move a token yet; without it the error says what. */
  allowance?: AllowancePolicy;
  /** Keeps nonces, spending, vouchers, pins of nodes and receipts: `fileState` of `@opg/client/node`, or in memory where it is left out. */
  state?: ClientState;
  /**
   * JSON-RPC of the network's chain, to check nodes before anything is signed for them, and receipts; of `network` where that
   * is given.
   */
  rpcUrl?: string;
  /** Nothing is signed for a node that runs another measurement; any that is approved where left out. Needs `network`. */
  measurements?: readonly string[];
  /** Instead of the global `fetch`. */
  fetch?: Fetch;
  /** Instead of the system's clock; seconds since 1970. */
  clock?: Clock;
  /** Instead of `crypto.getRandomValues`. */
  randomBytes?: RandomBytes;
}
