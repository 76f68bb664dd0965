import { expect } from "chai";
import { id, parseEther, ZeroAddress } from "ethers";
import { sign } from "#test/contracts/fixture.ts";
import { ethers, loadMoney, walletOf } from "./moneyFixture.ts";

const supply = parseEther("1000000000");

describe("OPG", () => {
  it("mints 1,000,000,000 of 18 decimals to its holder, once", async () => {
    const holder = walletOf("holder").address;
    const token = await ethers.deployContract("OPG", [holder]);
    expect(await token.name()).to.equal("OPG");
    expect(await token.symbol()).to.equal("OPG");
    expect(await token.decimals()).to.equal(18n);
    expect(await token.totalSupply()).to.equal(supply);
    expect(await token.balanceOf(holder)).to.equal(supply);
    await expect(token.deploymentTransaction()).to.emit(token, "Transfer").withArgs(ZeroAddress, holder, supply);
  });

  it("has no function that an owner could call, mints or burns", async () => {
    const { opg } = await loadMoney();
    const functions: string[] = [];
    opg.interface.forEachFunction(({ name, constant }) => {
      if (!constant) functions.push(name);
    });
    expect(functions.sort()).to.deep.equal([
      "approve",
      "cancelAuthorization",
      "permit",
      "receiveWithAuthorization",
      "transfer",
      "transferFrom",
      "transferWithAuthorization",
    ]);
  });

  it("takes an approval that its owner signed (EIP-2612), once", async () => {
    const { opg, wallets, chainId, addresses, now } = await loadMoney();
    const { payer, stranger } = wallets;
    const deadline = (await now()) + 60;
    const signature = await sign(payer, {
      domain: { name: "OPG", version: "1", chainId, verifyingContract: addresses.opg },
      types: { Permit: fields("address owner,address spender,uint256 value,uint256 nonce,uint256 deadline") },
      value: { owner: payer.address, spender: stranger.address, value: 7n, nonce: 0n, deadline },
    });
    const { v, r, s } = ethers.Signature.from(signature);
    await opg.connect(stranger).permit(payer.address, stranger.address, 7n, deadline, v, r, s);
    expect(await opg.allowance(payer.address, stranger.address)).to.equal(7n);
    await expect(
      opg.connect(stranger).permit(payer.address, stranger.address, 7n, deadline, v, r, s),
    ).to.be.revertedWithCustomError(opg, "ERC2612InvalidSigner");
  });

  it("takes a transfer that its owner signed (EIP-3009), once", async () => {
    const { opg, wallets, chainId, addresses, now } = await loadMoney();
    const { payer, stranger } = wallets;
    const message = {
      from: payer.address,
      to: stranger.address,
      value: 7n,
      validAfter: 0n,
      validBefore: (await now()) + 60,
      nonce: id("nonce"),
    };
    const signature = await sign(payer, {
      domain: { name: "OPG", version: "1", chainId, verifyingContract: addresses.opg },
      types: {
        TransferWithAuthorization: fields(
          "address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce",
        ),
      },
      value: message,
    });
    const { v, r, s } = ethers.Signature.from(signature);
    const { from, to, value, validAfter, validBefore, nonce } = message;
    const transfer = () =>
      opg.connect(stranger).transferWithAuthorization(from, to, value, validAfter, validBefore, nonce, v, r, s);
    await expect(transfer()).to.changeTokenBalances(ethers, opg, [payer, stranger], [-7n, 7n]);
    await expect(transfer()).to.be.revertedWithCustomError(opg, "ERC3009UsedAuthorization").withArgs(from, nonce);
  });
});

function fields(list: string): { name: string; type: string }[] {
  return list.split(",").map((field) => {
    const [type = "", name = ""] = field.split(" ");
    return { name, type };
  });
}
