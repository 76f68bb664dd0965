import type { JsonRpcApiProvider, Provider } from "ethers";

/** A provider whose endpoint may also be asked by method. */
export type RpcProvider = Provider & Pick<JsonRpcApiProvider, "send">;
