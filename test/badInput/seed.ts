import { randomInt } from "node:crypto";

/** What the properties of bad input draw from: OPG_FUZZ_SEED, or another one each time. It stands in the tests' titles. */
export const seed = Number(process.env["OPG_FUZZ_SEED"] ?? randomInt(2 ** 31));
