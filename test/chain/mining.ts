import type { JsonRpcProvider } from "ethers";

/**
 * Stops a chain's blocks and goes on with them. Once its interval was changed, anvil counts it in whole seconds; so what
 * goes on are blocks that are asked for, as often as before.
 */
export function miningOn(provider: JsonRpcProvider, blockTimeSeconds: number) {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const mine = (): Promise<unknown> => provider.send("evm_mine", []);
  const endMining = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    mine,
    endMining,
    stopMining: async (): Promise<void> => {
      isStopped = true;
      endMining();
      await provider.send("evm_setIntervalMining", [0]);
    },
    /** Changes nothing while blocks are made. */
    goOnMining: async (): Promise<void> => {
      if (!isStopped) return;
      isStopped = false;
      await mine();
      // What cannot be asked is asked again, or the chain was stopped.
      timer = setInterval(() => void mine().catch(() => undefined), blockTimeSeconds * 1000);
    },
  };
}
