import {
  permit2WitnessTypes,
  uptoPermit2WitnessTypes,
  x402ExactPermit2ProxyABI,
  x402ExactPermit2ProxyAddress,
  x402UptoPermit2ProxyABI,
  x402UptoPermit2ProxyAddress,
} from "@x402/evm";
import { expect } from "chai";
import { Interface, keccak256, toUtf8Bytes, TypedDataEncoder, type TypedDataField } from "ethers";
import { artifacts } from "hardhat";
import { proxyAddresses, type ProxyScheme, proxyTypedData } from "#protocol/proxyPayment.ts";
import { PERMIT2 } from "#protocol/payment.ts";
import { ethers, loadMoney, networkHelpers } from "#test/contracts/money/moneyFixture.ts";

/** What stock clients and facilitators carry in themselves. */
const published = {
  exact: { abi: x402ExactPermit2ProxyABI, address: x402ExactPermit2ProxyAddress, types: permit2WitnessTypes },
  upto: { abi: x402UptoPermit2ProxyABI, address: x402UptoPermit2ProxyAddress, types: uptoPermit2WitnessTypes },
};
const contractNames = { exact: "X402ExactPermit2Proxy", upto: "X402UptoPermit2Proxy" } as const;

/** Every function with its selector, every error and every event, in an order that does not matter. */
function contentOf(abi: Interface): string[] {
  return abi.fragments
    .filter(({ type }) => type !== "constructor")
    .map((fragment) => `${keccak256(toUtf8Bytes(fragment.format("sighash")))} ${fragment.format("sighash")}`)
    .sort();
}

for (const scheme of ["exact", "upto"] as const satisfies readonly ProxyScheme[]) {
  describe(`x402's proxy for ${scheme}`, () => {
    const { abi, address, types } = published[scheme];

    it("has the published functions, errors and events, selector by selector, and no other", async () => {
      const ours = new Interface((await artifacts.readArtifact(contractNames[scheme])).abi);
      expect(contentOf(ours)).to.deep.equal(contentOf(new Interface(abi)));
    });

    it("stands at the published address", async () => {
      const { provider } = await loadMoney();
      const { deployedBytecode } = await artifacts.readArtifact(contractNames[scheme]);
      expect(proxyAddresses[scheme]).to.equal(address);
      expect(await provider.getCode(address)).to.equal(deployedBytecode);
    });

    it("hashes the published types", async () => {
      await loadMoney();
      const proxy =
        scheme === "exact"
          ? await ethers.getContractAt(contractNames.exact, address)
          : await ethers.getContractAt(contractNames.upto, address);
      const named: Record<string, readonly TypedDataField[]> = types;
      const published = Object.fromEntries(Object.entries(named).map(([name, fields]) => [name, [...fields]]));
      const encoder = new TypedDataEncoder(published);
      expect(await proxy.WITNESS_TYPEHASH()).to.equal(keccak256(toUtf8Bytes(encoder.encodeType("Witness"))));
      const stub =
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";
      expect(stub + (await proxy.WITNESS_TYPE_STRING())).to.equal(encoder.encodeType("PermitWitnessTransferFrom"));
      expect(await proxy.PERMIT2()).to.equal(PERMIT2);
      const authorization = {
        ...{ from: address, spender: address, nonce: 1n, deadline: 2n },
        permitted: { token: address, amount: 3n },
        witness: { to: address, validAfter: 4n, ...(scheme === "upto" ? { facilitator: address } : {}) },
      };
      expect(proxyTypedData(scheme, authorization, 1n).types).to.deep.equal(published);
    });
  });
}

async function paymentFixture() {
  const money = await loadMoney();
  const { wallets, makeTask, uptoOf, chainId, addresses } = money;
  const merchant = wallets.operator.address;
  const base = uptoOf(await makeTask({ maxAmount: 1_000n }));
  const sign = async (scheme: ProxyScheme, witness: Parameters<typeof proxyTypedData>[1]["witness"]) => {
    const authorization = { ...base, spender: proxyAddresses[scheme], witness };
    const { domain, types, value } = proxyTypedData(scheme, authorization, BigInt(chainId));
    return wallets.payer.signTypedData(domain, types, value);
  };
  const { permitted, nonce, deadline } = base;
  const proxies = {
    exact: await ethers.getContractAt("X402ExactPermit2Proxy", proxyAddresses.exact),
    upto: await ethers.getContractAt("X402UptoPermit2Proxy", proxyAddresses.upto),
  };
  /** The payer's EIP-2612 permit for Permit2. */
  const signPermit = async (value: bigint) => {
    const types = { Permit: ["owner", "spender"].map((name) => ({ name, type: "address" })) };
    types.Permit.push(...["value", "nonce", "deadline"].map((name) => ({ name, type: "uint256" })));
    const domain = { name: "OPG", version: "1", chainId, verifyingContract: addresses.opg };
    const spender = PERMIT2;
    const message = { owner: wallets.payer.address, spender, value, nonce: 0n, deadline };
    const { r, s, v } = ethers.Signature.from(await wallets.payer.signTypedData(domain, types, message));
    return { value, deadline, r, s, v };
  };
  return { ...money, merchant, permit: { permitted, nonce, deadline }, sign, proxies, signPermit };
}

describe("x402's proxy for exact: settle", () => {
  it("moves all that is permitted to whom the witness names, whoever submits it", async () => {
    const { proxies, permit, merchant, wallets, opg, sign } = await paymentFixture();
    const witness = { to: merchant, validAfter: 0n };
    const signature = await sign("exact", witness);
    const settled = proxies.exact.connect(wallets.stranger).settle(permit, wallets.payer, witness, signature);
    await expect(settled).to.emit(proxies.exact, "Settled").withArgs();
    await expect(settled).to.changeTokenBalances(ethers, opg, [wallets.payer, merchant], [-1_000n, 1_000n]);
  });

  it("refuses what makes no payment, each by its name", async () => {
    const { proxies, permit, merchant, wallets, permit2, now, sign } = await paymentFixture();
    const { exact } = proxies;
    const witness = { to: merchant, validAfter: 0n };
    const signature = await sign("exact", witness);
    const { payer, stranger } = wallets;
    const nothing = { ...permit, permitted: { ...permit.permitted, amount: 0n } };
    const nobody = ethers.ZeroAddress;
    const early = { to: merchant, validAfter: BigInt((await now()) + 1_000) };
    for (const [call, error] of [
      [() => exact.settle(nothing, payer, witness, signature), "InvalidAmount"],
      [() => exact.settle(permit, nobody, witness, signature), "InvalidOwner"],
      [() => exact.settle(permit, payer, { ...witness, to: nobody }, signature), "InvalidDestination"],
      [() => exact.settle(permit, payer, early, signature), "PaymentTooEarly"],
    ] as const) {
      await expect(call()).to.be.revertedWithCustomError(exact, error);
    }
    const elsewhere = exact.settle(permit, payer, { ...witness, to: stranger }, signature);
    await expect(elsewhere).to.be.revertedWithCustomError(permit2, "InvalidSigner");
  });
});

describe("x402's proxy for upto: settle", () => {
  it("moves what the facilitator says, up to what is permitted, for that facilitator alone", async () => {
    const { proxies, permit, merchant, wallets, opg, sign } = await paymentFixture();
    const { upto } = proxies;
    const { facilitator, payer } = wallets;
    const witness = { to: merchant, facilitator: facilitator.address, validAfter: 0n };
    const signature = await sign("upto", witness);
    const byFacilitator = upto.connect(facilitator);
    await expect(
      upto.connect(wallets.stranger).settle(permit, 1n, payer, witness, signature),
    ).to.be.revertedWithCustomError(upto, "UnauthorizedFacilitator");
    await expect(byFacilitator.settle(permit, 1_001n, payer, witness, signature)).to.be.revertedWithCustomError(
      upto,
      "AmountExceedsPermitted",
    );
    const settled = byFacilitator.settle(permit, 600n, payer, witness, signature);
    await expect(settled).to.emit(upto, "Settled").withArgs();
    await expect(settled).to.changeTokenBalances(ethers, opg, [payer, merchant], [-600n, 600n]);
  });

  it("refuses what makes no payment, each by its name", async () => {
    const { proxies, permit, merchant, wallets, now, sign } = await paymentFixture();
    const upto = proxies.upto.connect(wallets.facilitator);
    const witness = { to: merchant, facilitator: wallets.facilitator.address, validAfter: 0n };
    const signature = await sign("upto", witness);
    const nobody = ethers.ZeroAddress;
    const early = { ...witness, validAfter: BigInt((await now()) + 1_000) };
    for (const [call, error] of [
      [() => upto.settle(permit, 1n, nobody, witness, signature), "InvalidOwner"],
      [() => upto.settle(permit, 1n, wallets.payer, { ...witness, to: nobody }, signature), "InvalidDestination"],
      [() => upto.settle(permit, 1n, wallets.payer, early, signature), "PaymentTooEarly"],
    ] as const) {
      await expect(call()).to.be.revertedWithCustomError(upto, error);
    }
  });
});

for (const scheme of ["exact", "upto"] as const) {
  describe(`x402's proxy for ${scheme}: settleWithPermit`, () => {
    async function prepare() {
      const fixture = await paymentFixture();
      const { opg, wallets, merchant, proxies, permit, sign } = fixture;
      await opg.connect(wallets.payer).approve(PERMIT2, 0n);
      const witness = { to: merchant, facilitator: wallets.facilitator.address, validAfter: 0n };
      const signature = await sign(scheme, witness);
      const { payer, facilitator } = wallets;
      const settle = (permit2612: Awaited<ReturnType<typeof fixture.signPermit>>) =>
        scheme === "exact"
          ? proxies.exact.connect(facilitator).settleWithPermit(permit2612, permit, payer, witness, signature)
          : proxies.upto.connect(facilitator).settleWithPermit(permit2612, permit, 1_000n, payer, witness, signature);
      return { ...fixture, proxy: proxies[scheme], settle };
    }

    it("gives Permit2 its allowance by the payer's EIP-2612 signature, and pays", async () => {
      const { opg, merchant, proxy, settle, signPermit } = await prepare();
      const settled = settle(await signPermit(1_000n));
      await expect(settled).to.emit(proxy, "SettledWithPermit").withArgs();
      await expect(settled).to.changeTokenBalance(ethers, opg, merchant, 1_000n);
    });

    it("pays also where somebody has submitted that signature before", async () => {
      const { opg, wallets, merchant, settle, signPermit } = await prepare();
      const { value, deadline, v, r, s } = await signPermit(1_000n);
      await opg.connect(wallets.stranger).permit(wallets.payer, PERMIT2, value, deadline, v, r, s);
      await expect(settle({ value, deadline, v, r, s })).to.changeTokenBalance(ethers, opg, merchant, 1_000n);
    });

    it("refuses an EIP-2612 signature over another amount than what is permitted", async () => {
      const { proxy, settle, signPermit } = await prepare();
      await expect(settle(await signPermit(999n))).to.be.revertedWithCustomError(proxy, "Permit2612AmountMismatch");
    });
  });
}

describe("x402's proxy and a token that calls back", () => {
  it("cannot be entered while it pays", async () => {
    const { proxies, permit, wallets, addresses, sign } = await paymentFixture();
    const { deployedBytecode } = await artifacts.readArtifact("ReentrantToken");
    await networkHelpers.setCode(addresses.opg, deployedBytecode);
    const token = await ethers.getContractAt("ReentrantToken", addresses.opg);
    const witness = { to: wallets.operator.address, validAfter: 0n };
    const signature = await sign("exact", witness);
    const args = [permit, wallets.payer.address, witness, signature] as const;
    await token.arm(proxyAddresses.exact, proxies.exact.interface.encodeFunctionData("settle", [...args]));
    await proxies.exact.settle(...args);
    expect(await token.answer()).to.equal(proxies.exact.interface.encodeErrorResult("ReentrancyGuardReentrantCall"));
  });
});
