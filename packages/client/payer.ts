import type { AdmittedNodes } from "./admittedNodes.ts";
import type { AllowancePolicy } from "./allowancePolicy.ts";
import type { ChainReader } from "./chainReader.ts";
import type { AllowedAssets } from "./choosePayment.ts";
import type { ClientState } from "./clientState.ts";
import type { Clock, Fetch, RandomBytes } from "./fetch.ts";
import type { NonceAllocator } from "./nonceAllocator.ts";
import type { Network } from "../protocol/network.ts";
import type { PrefundedAccount } from "./prefundedAccount.ts";
import type { PaymentSigner } from "./signer.ts";

/** Who pays, on which network, within which bounds, and with what. */
export interface Payer {
  signer: PaymentSigner;
  /** Checksummed. */
  address: string;
  network: Network;
  /** Name of chain and payer together, such as `eip155:8453:0x...`. */
  account: string;
  assets: AllowedAssets;
  allowance: AllowancePolicy | undefined;
  state: ClientState;
  nonces: NonceAllocator;
  /** What inferences are paid from; the wallet where there is none. */
  prefunded: PrefundedAccount | undefined;
  chain: ChainReader | undefined;
  /** Holds nodes to the registry; nothing where no chain can be asked. */
  nodes: AdmittedNodes | undefined;
  fetch: Fetch;
  clock: Clock;
  randomBytes: RandomBytes;
}
