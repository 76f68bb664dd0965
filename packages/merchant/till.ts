import {
  type HTTPProcessResult,
  type HTTPRequestContext,
  type HTTPResponseInstructions,
  isFatalStartupInitError,
  x402HTTPResourceServer,
  x402ResourceServer,
} from "@x402/core/server";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { UptoEvmScheme } from "@x402/evm/upto/server";
import { type ErrorCode, OpgError } from "../protocol/errors.ts";
import { PAYMENT_SETTLEMENT, settlementUrl } from "../protocol/settlementUrl.ts";
import { chargeOf } from "./chargeOf.ts";
import { FacilitatorLink } from "./facilitatorLink.ts";
import type { EndedPayment, FailedPayment, MerchantOptions, PaidRoute, SettledPayment } from "./options.ts";
import { PaidAnswer, SETTLE_SECONDS } from "./paidAnswer.ts";
import type { ReadRoutes } from "./readOptions.ts";
import { RequestView } from "./requestView.ts";
import type { Served } from "./served.ts";
import { type Outcome, Settler } from "./settler.ts";
import { readSignedPayment, type SignedPayment } from "./signedPayment.ts";

/** While the facilitator is away, the claims of so many payments that it did not answer for are given up later. */
const MAX_UNKNOWN = 1_000;
/** For so long a till that is closed still tries to give up what it did not sell; those claims end by themselves, too. */
const GIVE_UP_MS = 5_000;

type Handle = () => Response | Promise<Response>;
type Verified = Extract<HTTPProcessResult, { type: "payment-verified" }>;

/** A payment as x402's server handles it. */
interface Offered {
  payment: PaymentPayload;
  requirements: PaymentRequirements;
}

/** Sells what handlers answer, with x402's server for all but what streams need. */
export class Till {
  readonly #options: MerchantOptions;
  readonly #clock: () => number;
  /** Settles what was sold. */
  readonly #settler: Settler;
  /** Settles for nothing what may have been claimed and is not sold. */
  readonly #givenUp: Settler;
  /** Ids of payments from before they are verified until it is known how they ended. */
  readonly #held = new Set<string>();
  readonly #x402: x402HTTPResourceServer;
  /** Verifications and answers on their way. */
  readonly #running = new Set<Promise<void>>();
  #initialized: Promise<void> | undefined;
  #isClosing = false;

  constructor(options: MerchantOptions, { configs, routeOf }: ReadRoutes) {
    const { network, facilitator, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#settler = new Settler(clock);
    this.#givenUp = new Settler(clock);
    const link = new FacilitatorLink(facilitator, {
      clock,
      neededSeconds: SETTLE_SECONDS,
      held: this.#held,
      onUnknown: (signed, payment, requirements) => this.#giveUp(signed, { payment, requirements }),
    });
    const server = new x402ResourceServer(link)
      .register(network, new ExactEvmScheme())
      .register(network, new UptoEvmScheme());
    this.#x402 = new x402HTTPResourceServer(server, configs);
    this.#x402.onProtectedRequest(async ({ adapter }, config) => {
      if (adapter instanceof RequestView) adapter.route = routeOf(config);
    });
    this.#initialize().catch(() => undefined);
  }

  /** Answers a request for a payment; one that matches no route is for `handleUnlisted`. */
  async answer(request: Request, handle: Handle, handleUnlisted: Handle = notFound): Promise<Response> {
    const view = new RequestView(request);
    const context = view.context();
    if (!this.#x402.requiresPayment(context)) return handleUnlisted();
    if (this.#isClosing) return draining();
    const onChecked = this.#begin();
    let checked: Response | Verified;
    try {
      checked = await this.#check(context);
    } finally {
      onChecked();
    }
    // What is sold begins before `close` hears that the check has ended.
    return checked instanceof Response ? checked : this.#sell(request, view.route, checked, handle);
  }

  /** Waits until everything that was sold is settled. */
  async close(): Promise<void> {
    this.#isClosing = true;
    while (this.#running.size > 0) await Promise.all(this.#running);
    await this.#settler.settled();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, GIVE_UP_MS)));
    await Promise.race([this.#givenUp.settled(), late]);
    clearTimeout(timer);
    this.#givenUp.stop();
  }

  /** Makes `close` wait. @returns what ends that */
  #begin(): () => void {
    const { promise, resolve } = newPromise();
    this.#running.add(promise);
    return () => {
      this.#running.delete(promise);
      resolve();
    };
  }

  /** Has a request's payment verified and claimed, or says what stands against it. */
  async #check(context: HTTPRequestContext): Promise<Response | Verified> {
    let result: HTTPProcessResult;
    try {
      await this.#initialize();
      result = await this.#x402.processHTTPRequest(context);
    } catch (error) {
      if (isFatalStartupInitError(error)) throw error;
      return unavailable("facilitator_unavailable", "Payments cannot be checked just now; ask again in a moment.");
    }
    if (result.type === "payment-verified") return result;
    if (result.type === "payment-error") return asInstructed(result.response);
    throw new OpgError("internal", "A route that is sold was passed free of charge.");
  }

  /** Asks the facilitator what it supports, until it has answered once. */
  #initialize(): Promise<void> {
    this.#initialized ??= this.#x402.initialize().catch((error: unknown) => {
      this.#initialized = undefined;
      throw error;
    });
    return this.#initialized;
  }

  async #sell(request: Request, route: PaidRoute | undefined, verified: Verified, handle: Handle): Promise<Response> {
    const { paymentPayload: payment, paymentRequirements: requirements } = verified;
    const nowSeconds = this.#clock();
    const signed = readSignedPayment(payment, requirements, nowSeconds);
    if (!signed || !route) throw new OpgError("internal", "A verified payment is not one for a route that is sold.");
    if (this.#isClosing) {
      this.#giveUp(signed, { payment, requirements });
      return draining();
    }
    const onAnswered = this.#begin();
    const onEnded = (served: Served): void => {
      this.#charge(route, signed, { payment, requirements }, served);
      onAnswered();
    };
    const headers = { [PAYMENT_SETTLEMENT]: settlementUrl("", signed.id) };
    return new PaidAnswer({ request, signed, nowSeconds, headers, onEnded }).run(handle);
  }

  #charge(route: PaidRoute, signed: SignedPayment, offered: Offered, served: Served): void {
    const { id, payer, authorized } = signed;
    const ended = { id, payer, authorized, served };
    let amount = 0n;
    let failure: Outcome | undefined;
    try {
      amount = chargeOf(route, served);
    } catch (error) {
      const message = `The route's charge failed (${wordsOf(error)}); nothing is charged.`;
      failure = { reason: "charge_failed", message };
    }
    this.#settle(this.#settler, signed, offered, amount, (outcome) =>
      this.#tell({ ...ended, amount }, failure ?? outcome),
    );
  }

  #settle(
    settler: Settler,
    { id, settleBy }: SignedPayment,
    offered: Offered,
    amount: bigint,
    onKnown: (outcome: Outcome) => void,
  ): void {
    const { payment, requirements } = offered;
    const charge = { amount: amount.toString() };
    const ask = () => this.#x402.server.settlePayment(payment, requirements, {}, undefined, charge);
    settler.settle({
      ...{ settleBy, ask },
      onKnown: (outcome) => {
        this.#held.delete(id);
        onKnown(outcome);
      },
    });
  }

  /** Frees what the facilitator may have claimed for a request that is not served. */
  #giveUp(signed: SignedPayment, offered: Offered): void {
    if (this.#givenUp.size < MAX_UNKNOWN) this.#settle(this.#givenUp, signed, offered, 0n, () => undefined);
    else this.#held.delete(signed.id);
  }

  #tell(ended: EndedPayment, outcome: Outcome): void {
    const { onSettled, onFailed } = this.#options;
    try {
      if ("transaction" in outcome) onSettled?.({ ...ended, ...outcome } satisfies SettledPayment);
      else onFailed?.({ ...ended, ...outcome } satisfies FailedPayment);
    } catch {
      // The payment has ended, whatever is made of it.
    }
  }
}

const systemClock = (): number => Math.floor(Date.now() / 1000);

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : "no reason given");

function newPromise(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((onResolved) => (resolve = onResolved));
  return { promise, resolve };
}

function notFound(): Response {
  const error = new OpgError("not_found", "Nothing is sold here.");
  return Response.json(error.toBody(), { status: error.status });
}

const draining = (): Response => unavailable("draining", "The server is about to stop; ask again in a moment.");

function unavailable(code: ErrorCode, message: string): Response {
  const error = new OpgError(code, message);
  return Response.json(error.toBody(), { status: error.status, headers: { "retry-after": "1" } });
}

/** What x402's server says to whoever has not paid: an offer, or what is wrong with the payment. */
function asInstructed({ status, headers, body, isHtml }: HTTPResponseInstructions): Response {
  return new Response(isHtml ? String(body) : JSON.stringify(body ?? {}), { status, headers });
}
