import type { Network } from "#protocol/network.ts";

/** What a local network only imitates, and what is real in it. */
export const simulatedText = `
Simulated here: the enclave's hardware (its process has keys and prompts to itself, but nothing holds whoever owns the machine
off it), the evidence (exactly in Nitro's format, under a root that this network made instead of AWS's), the accounts (the
development chain's public keys), and x402's proxies (our implementation of their interface, at their addresses).
Real: the chain and the contracts, Permit2's bytecode, the ONNX model and its four executions, every signature,
the databases, the processes.`;

/** Where a running network is reached, and what to try. */
export function servingText({ gateway, facilitators, hub, rpcUrl }: Network): string {
  return `
Serving until Ctrl-C:
  gateway      ${gateway}        (trails: ${gateway}/tasks/TASK, API: ${gateway}/openapi.json)
  facilitator  ${facilitators[0]?.url ?? ""}
  hub          ${hub}
  chain        ${rpcUrl}

Try in another terminal, in this folder:
  npx hardhat opg infer --image examples/line/line.png
  npx hardhat opg models
  npx hardhat opg --help`;
}
