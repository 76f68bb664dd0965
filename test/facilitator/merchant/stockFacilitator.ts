import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { createPublicClient, http } from "viem";
import type { MerchantBody } from "./merchantNetwork.ts";

type Hex = `0x${string}`;

interface Read {
  address: Hex;
  abi: readonly unknown[];
  functionName: string;
  args?: readonly unknown[];
}

/**
 * x402's own facilitator, unmodified, with a signer that looks at the chain and sends nothing.
 *
 * @param facilitators - its addresses
 * @returns the reason for which it refuses a payment
 */
export function stockFacilitator(rpcUrl: string, facilitators: readonly string[]) {
  const chain = createPublicClient({ transport: http(rpcUrl) });
  const never = () => Promise.reject(new Error("only looks"));
  /** Its contract for many calls in one is not on a local chain. */
  const readMany = (calls: readonly { target: Hex; callData: Hex }[]) =>
    Promise.all(
      calls.map(({ target, callData }) =>
        chain.call({ to: target, data: callData }).then(
          ({ data = "0x" }) => ({ success: true, returnData: data }),
          () => ({ success: false, returnData: "0x" }),
        ),
      ),
    );
  const signer = {
    getAddresses: () => facilitators as readonly Hex[],
    readContract: (call: Read): Promise<unknown> =>
      call.functionName === "tryAggregate"
        ? readMany((call.args?.[1] ?? []) as Parameters<typeof readMany>[0])
        : chain.readContract({ ...call, account: facilitators[0] as Hex }),
    getCode: (where: { address: Hex }) => chain.getCode(where),
    ...{ verifyTypedData: never, writeContract: never, sendTransaction: never, waitForTransactionReceipt: never },
  };
  const schemes = { upto: new UptoEvmScheme(signer), exact: new ExactEvmScheme(signer) };
  return async ({ paymentPayload, paymentRequirements }: MerchantBody): Promise<string | undefined> => {
    const scheme = schemes[paymentRequirements.scheme === "upto" ? "upto" : "exact"];
    return (await scheme.verify(paymentPayload, paymentRequirements)).invalidReason;
  };
}
