import type { TypedDataField } from "./typedData.ts";

/** What tokens check signatures over themselves: approvals, https://eips.ethereum.org/EIPS/eip-2612 . */
export const permitTypes: Record<string, TypedDataField[]> = {
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};

/** Fields of both signed transfers, to whom it may reach or to the caller alone: https://eips.ethereum.org/EIPS/eip-3009 . */
export const transferFields: TypedDataField[] = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
];
