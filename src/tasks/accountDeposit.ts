import { createClient } from "#client/index.ts";
import { accountKey } from "./accountKey.ts";
import { ownWallet } from "./openNetwork.ts";
import { readAddress, readOpg } from "./readArguments.ts";
import { networkTask, print } from "./runTask.ts";
import { opgText } from "./trailText.ts";

interface Options {
  amount: string;
  payer: string;
  facilitator: string;
}

/** `opg account deposit`: moves OPG of one's own into an account, one's own or another's, in one transaction. */
export default networkTask<Options>(async (opened, options) => {
  const { network, accounts } = opened;
  const wallet = ownWallet(opened);
  const amount = readOpg(options.amount);
  const payer = options.payer === "" ? wallet.address : readAddress(options.payer);
  const key = accountKey(network, payer, options.facilitator);
  const client = createClient({
    gateway: network.gateway,
    signer: wallet,
    network,
    account: { ...key, maxAtStake: 0n },
  });
  const hash = await client.account.deposit({ amount });
  const { balance } = await accounts.accountOf(key);
  print(`${opgText(amount)} went into the account of ${payer}, which holds ${opgText(balance)} now (${hash}).`);
});
