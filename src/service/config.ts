import { Wallet } from "ethers";
import { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import { readAddresses } from "./clientAddress.ts";

/** A private key in a variable; it is read into a wallet at once and never printed. */
export const privateKey = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, "must be a private key: 0x and 64 hex digits")
  .transform((key) => new Wallet(key));

/** Private keys in a variable, separated by commas. */
export const privateKeys = z
  .string()
  .transform((text) => text.split(",").map((key) => key.trim()))
  .pipe(z.array(privateKey));

/** An amount of tokens in a variable: a decimal number without sign, point or leading zeros. */
export const atomicUnits = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,77})$/, "must be a whole number of atomic units")
  .transform((text) => BigInt(text));

/** A whole number in a variable, in plain digits: what is empty, or written in another way, is a mistake. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  const schema = z.string().regex(/^(0|[1-9][0-9]{0,15})$/, "must be a whole number");
  return schema.transform(Number).pipe(z.number().min(least).max(most));
}

/** How long a role keeps what has ended. */
export const retentionSeconds = wholeNumber(0).default(30 * 24 * 60 * 60);

/** How long running requests may go on once the daemon is to end. */
export const drainSeconds = wholeNumber(0, 3_600);

/**
 * JSON-RPC of the chain, where not the public one of `network.json` is to be used: one endpoint, or several separated by commas.
 * They may hold access keys, so what is wrong is told by their position.
 */
export const rpcUrls = z.string().transform((text, context) => {
  const urls = text.split(",").map((url) => url.trim());
  for (const [index, url] of urls.entries()) {
    const place = urls.length === 1 ? "it" : `endpoint ${index + 1} of ${urls.length}`;
    const problem = !/^https?:\/\/[^/]/.test(url) || !URL.canParse(url) ? "is no http or https URL" : undefined;
    const isRepeated = urls.findIndex((earlier) => isSameUrl(earlier, url)) < index;
    const message = problem ?? (isRepeated ? "is there twice, and would count twice" : undefined);
    if (message !== undefined) context.addIssue({ code: "custom", message: `${place} ${message}` });
  }
  return urls;
});

function isSameUrl(one: string, other: string): boolean {
  return URL.parse(one)?.href === URL.parse(other)?.href;
}

/** Variables that every daemon reads. */
export const daemonVariables = {
  /** Path or URL of the network's `network.json`. */
  OPG_NETWORK: z.string().min(1),
  OPG_RPC_URL: rpcUrls.optional(),
  OPG_HOST: z.string().default("127.0.0.1"),
  OPG_PORT: wholeNumber(0, 65_535),
  OPG_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  /** Age of the newest block, in seconds, above which the chain counts as missing. */
  OPG_MAX_BLOCK_AGE_SECONDS: wholeNumber(1).default(120),
};

/** Variables of daemons that anybody may call: how often each address may. */
export const limitVariables = {
  /** Requests per second and address; 0 sets no limit. */
  OPG_RATE_PER_SECOND: z
    .string()
    .regex(/^[0-9]{1,6}(\.[0-9]{1,3})?$/, "must be a number of requests per second")
    .transform(Number)
    .default(0),
  /** Requests that an address may send at once; those of two seconds where left out. */
  OPG_RATE_BURST: wholeNumber(1, 1_000_000).optional(),
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed, separated by commas. */
  OPG_TRUSTED_PROXIES: z
    .string()
    .transform((text, context) => {
      try {
        return readAddresses(text);
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
        return z.NEVER;
      }
    })
    .optional(),
};

/**
 * Reads a daemon's configuration from its environment, once.
 *
 * @throws OpgError `configuration` naming the first variable that is missing or wrong; its value is not repeated
 */
export function readConfig<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: Readonly<Record<string, string | undefined>>,
): z.output<z.ZodObject<Shape>> {
  const parsed = z.object(shape).safeParse(environment);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const variable = String(issue?.path[0] ?? "environment");
  const problem = environment[variable] === undefined ? "is not set" : `is wrong: ${issue?.message ?? "unreadable"}`;
  throw new OpgError("configuration", `${variable} ${problem}; set it and start again.`, { variable });
}
