import { globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import hardhatEthersChaiMatchers from "@nomicfoundation/hardhat-ethers-chai-matchers";
import hardhatEthers from "@nomicfoundation/hardhat-ethers";
import hardhatIgnition from "@nomicfoundation/hardhat-ignition";
import hardhatMocha from "@nomicfoundation/hardhat-mocha";
import hardhatNetworkHelpers from "@nomicfoundation/hardhat-network-helpers";
import hardhatVerify from "@nomicfoundation/hardhat-verify";
import { configVariable, defineConfig } from "hardhat/config";
import { mochaTestFiles } from "./scripts/mochaTestFiles.ts";
import { typechainPlugin } from "./scripts/typechainPlugin.ts";
import { opgTasks } from "./src/tasks/index.ts";

const require = createRequire(import.meta.url);

/** Ours: compiled by the compiler that npm carries, so a build needs no download. */
const contractCompiler = {
  version: "0.8.37",
  path: require.resolve("solc/soljson.js"),
  settings: { evmVersion: "osaka", viaIR: true, optimizer: { enabled: true, runs: 1_000_000 } },
};

/** Permit2 as Uniswap deployed it: these settings give the bytecode of its canonical address. */
const permit2Compiler = {
  version: "0.8.17",
  path: require.resolve("solc-0.8.17/soljson.js"),
  settings: {
    evmVersion: "london",
    viaIR: true,
    optimizer: { enabled: true, runs: 1_000_000 },
    metadata: { bytecodeHash: "none" },
  },
};

const compilers = [contractCompiler, permit2Compiler];

/** Of what tests are made of nobody counts the gas: so they are compiled in a tenth of the time. */
const testCompiler = {
  ...contractCompiler,
  settings: { evmVersion: "osaka", optimizer: { enabled: true, runs: 200 } },
};
const overrides = Object.fromEntries(
  globSync("test/contracts/**/*.sol", { cwd: import.meta.dirname }).map((file) => [file, testCompiler]),
);

/** The chain that `npm start` runs: the first that OPG_RPC_URL names, else that of the running network's network.json. */
function localRpcUrl(): string {
  const [own] = process.env["OPG_RPC_URL"]?.split(",") ?? [];
  if (own) return own.trim();
  const fallback = "http://127.0.0.1:8545";
  try {
    const network: unknown = JSON.parse(readFileSync(process.env["OPG_NETWORK"] ?? ".opg/network.json", "utf8"));
    const named = typeof network === "object" && network !== null && "rpcUrl" in network ? network.rpcUrl : undefined;
    return typeof named === "string" ? named : fallback;
  } catch {
    return fallback;
  }
}

export default defineConfig({
  plugins: [
    hardhatEthers,
    hardhatEthersChaiMatchers,
    hardhatNetworkHelpers,
    hardhatMocha,
    typechainPlugin,
    hardhatIgnition,
    hardhatVerify,
  ],
  tasks: [mochaTestFiles, ...opgTasks],
  solidity: {
    profiles: { default: { compilers, overrides }, production: { compilers } },
    npmFilesToBuild: [
      "@openzeppelin/contracts/access/manager/AccessManager.sol",
      "@openzeppelin/contracts/governance/TimelockController.sol",
      "@uniswap/v4-periphery/lib/permit2/src/Permit2.sol",
    ],
  },
  paths: {
    sources: { solidity: "contracts" },
    tests: { mocha: "test", solidity: "test/contracts" },
    ignition: "deploy",
  },
  typechain: { outDir: "./typechain-types" },
  networks: {
    default: { type: "edr-simulated", chainType: "l1", chainId: 31337 },
    local: { type: "http", chainType: "l1", url: localRpcUrl() },
    baseSepolia: {
      type: "http",
      chainType: "op",
      chainId: 84532,
      url: configVariable("BASE_SEPOLIA_RPC_URL"),
      accounts: [configVariable("OPG_DEPLOYER_KEY")],
    },
  },
  verify: { etherscan: { apiKey: configVariable("ETHERSCAN_API_KEY") } },
  test: {
    mocha: { timeout: 30_000 },
    solidity: {
      fuzz: { runs: 64 },
      invariant: { runs: 24, depth: 64, failOnRevert: true },
    },
  },
});
