import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const layers = ["attestation", "blobs", "chain", "execution", "protocol", "service", "store"];

/** Which rooms a room may import, by their `#` alias; its own is always among them. `undefined`: any but the types of contracts. */
const rooms = {
  "packages/protocol": [],
  "packages/client": [],
  "packages/merchant": [],
  "src/service": ["protocol"],
  "src/chain": ["protocol", "typechain"],
  "src/store": ["protocol", "service"],
  "src/blobs": ["protocol", "service"],
  "src/execution": ["protocol", "service"],
  "src/attestation": ["protocol", "service"],
  "src/facilitator": layers,
  "src/gateway": layers,
  "src/node": layers,
  "src/verifier": layers,
  "src/hub": layers,
  "src/tasks": undefined,
  scripts: undefined,
  deploy: ["protocol", "typechain"],
};

const upward = { regex: "^\\.\\./", message: "Import another folder by its # alias." };

/** Patterns that only some rooms need on top. */
const packaged = {
  "packages/protocol": [
    {
      regex: "^(?!\\./|ethers$|zod$|@x402/core/types$)",
      message: "The protocol imports nothing but ethers, zod and x402's wire types.",
    },
  ],
  "packages/client": [
    {
      regex: "^(#|node:|\\.\\./(?!protocol/))",
      message: "The client is packed alone and runs in browsers: of the project it imports ../protocol/ only.",
    },
  ],
  "packages/merchant": [
    {
      regex: "^(#|node:|\\.\\./(?!protocol/))",
      message: "It is packed alone and runs wherever fetch does: of the project it imports ../protocol/ only.",
    },
  ],
};

function roomRules(room) {
  const accepted = rooms[room];
  const own = room.split("/").at(-1);
  const foreign =
    accepted === undefined
      ? { regex: "^#typechain/", message: "Reach contracts through src/chain." }
      : { regex: `^#(?!(${[...accepted, own].join("|")})/)`, message: `${room} must not know this room.` };
  return {
    files: [`${room}/**/*.ts`],
    rules: { "no-restricted-imports": ["error", { patterns: packaged[room] ?? [upward, foreign] }] },
  };
}

export default defineConfig(
  globalIgnores(["artifacts/", "cache/", "coverage/", "**/dist/", "typechain-types/", "deploy/addresses/", ".opg/"]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", { max: 40, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: {
      globals: Object.fromEntries(
        [
          ...["clearInterval", "clearTimeout", "console", "fetch", "process", "ReadableStream", "Response"],
          ...["setInterval", "setTimeout", "TextEncoder", "URL"],
        ].map((name) => [name, "readonly"]),
      ),
    },
  },
  { rules: { eqeqeq: "error", "no-console": "error", "no-warning-comments": "error" } },
  { files: ["scripts/**", "src/tasks/**", "examples/**"], rules: { "no-console": "off" } },
  ...Object.keys(rooms).map(roomRules),
  {
    // What `@opg/client/node` is made of; the other entry of the package must not reach it.
    files: ["packages/client/{node,askNode,fileState}.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: packaged["packages/client"].map((pattern) => ({
            ...pattern,
            regex: pattern.regex.replace("|node:", ""),
          })),
        },
      ],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unused-expressions": "off",
      "@typescript-eslint/unbound-method": "off",
      "max-lines-per-function": "off",
      "no-restricted-imports": ["error", { patterns: [upward] }],
    },
  },
);
