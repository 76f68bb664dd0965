/**
 * Every error code that OPG shows to a person or another program, with the HTTP status it travels under.
 * `docs/errors.md` says for each code why it appears and how to fix it.
 * Codes that x402 clients already know keep x402's spelling.
 */
export const errorStatus = {
  // What was sent cannot be read.
  malformed_json: 400,
  invalid_body: 400,
  body_too_large: 413,
  unsupported_media_type: 415,
  not_found: 404,
  method_not_allowed: 405,
  // What was asked for does not exist or does not fit.
  unknown_model: 404,
  unknown_task: 404,
  unknown_node: 404,
  invalid_settlement_id: 400,
  unknown_settlement: 404,
  unknown_blob: 404,
  invalid_model: 422,
  invalid_tensor: 400,
  not_an_image: 400,
  no_text_line: 400,
  // The payment does not pay for it.
  payment_required: 402,
  invalid_payment_header: 400,
  invalid_x402_version: 400,
  unsupported_scheme: 402,
  invalid_network: 402,
  invalid_permit2_spender: 402,
  task_facilitator_mismatch: 402,
  task_authorization_mismatch: 402,
  task_request_mismatch: 402,
  task_terms_mismatch: 402,
  task_underpaid: 402,
  task_deadline_too_far: 402,
  permit2_deadline_expired: 402,
  permit2_amount_mismatch: 402,
  permit2_token_mismatch: 402,
  asset_not_deployed_contract: 402,
  invalid_permit2_signature: 402,
  permit2_insufficient_balance: 402,
  permit2_allowance_required: 412,
  permit2_invalid_nonce: 402,
  open_failed: 402,
  unsupported_payload_type: 402,
  invalid_upto_evm_scheme: 402,
  invalid_exact_evm_network_mismatch: 402,
  invalid_upto_evm_network_mismatch: 402,
  invalid_permit2_recipient_mismatch: 402,
  upto_facilitator_mismatch: 402,
  permit2_not_yet_valid: 402,
  permit2_invalid_amount: 402,
  invalid_eip2612_extension_format: 402,
  eip2612_from_mismatch: 402,
  eip2612_asset_mismatch: 402,
  eip2612_spender_not_permit2: 402,
  eip2612_deadline_expired: 402,
  permit2_2612_amount_mismatch: 402,
  allowance_sponsoring: 402,
  payment_identifier_conflict: 409,
  // A prefunded account does not pay for it.
  task_deadline_expired: 402,
  invalid_task_signature: 402,
  task_nonce_used: 402,
  voucher_required: 402,
  voucher_invalid: 402,
  account_insufficient: 402,
  account_defaulted: 402,
  // A merchant's payment, named in an x402 answer that travels under 200.
  merchant_mismatch: 200,
  exposure_limit_reached: 200,
  invalid_upto_evm_payload_settlement_exceeds_amount: 200,
  settlement_pending: 200,
  invalid_exact_evm_transaction_failed: 200,
  invalid_upto_evm_transaction_failed: 200,
  // What a client refuses by itself.
  price_above_maximum: 402,
  asset_not_allowed: 402,
  unpayable_offer: 402,
  spending_limit_reached: 402,
  payment_refused: 402,
  payment_unanswered: 504,
  invalid_offer: 502,
  node_refused: 502,
  invalid_receipt: 502,
  answer_incomplete: 502,
  // The task cannot be run, or its result cannot be paid.
  invalid_release: 403,
  invalid_signature: 403,
  task_already_released: 409,
  already_certified: 409,
  task_lost: 410,
  answer_expired: 410,
  charge_exceeds_ceiling: 422,
  execution_failed: 422,
  model_bytes_mismatch: 502,
  blob_too_large: 502,
  certificate_incomplete: 502,
  result_refused: 502,
  no_active_node: 503,
  // A node is not admitted, or a model is not published.
  evidence_refused: 403,
  challenge_unknown: 409,
  sealing_key_unknown: 409,
  counts_refused: 409,
  blob_not_published: 403,
  // A batch is not certified, or a call not proved.
  unknown_facilitator: 403,
  receipt_doubled: 409,
  batch_mismatch: 409,
  batch_stale: 409,
  batch_history_missing: 409,
  not_settled_yet: 409,
  nothing_charged: 409,
  // Ours, to be tried again.
  rate_limited: 429,
  draining: 503,
  settlement_overdue: 503,
  chain_unavailable: 503,
  facilitator_unavailable: 503,
  node_unavailable: 503,
  hub_unavailable: 503,
  gateway_unavailable: 503,
  verifier_unavailable: 503,
  platform_unavailable: 503,
  timeout: 504,
  configuration: 500,
  internal: 500,
} as const;

/** A stable, machine readable error code. */
export type ErrorCode = keyof typeof errorStatus;

/** Values that belong to an error; numbers of tokens are bigint atomic units. */
export type ErrorValues = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/** What is taken of an error that another process sent; ours stay far below. */
const MAX_TEXT = 4_096;
const MAX_VALUES = 32;
const valueName = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** The body of every error answer over HTTP: `{ error: { code, message, ...values } }`. */
export interface ErrorBody {
  error: { code: ErrorCode; message: string } & Record<string, string | number | boolean>;
}

/**
 * The one error type that crosses a boundary: a stable code, one sentence that says what to do, and the values
 * that led to it. Anything else that is thrown is a fault of ours and leaves a process as `internal`.
 */
export class OpgError extends Error {
  readonly code: ErrorCode;
  readonly values: ErrorValues;

  /**
   * @param code - a key of {@link errorStatus}
   * @param message - one sentence for a person, saying what to do
   * @param values - what led to it; never secrets, prompts or answers
   */
  constructor(code: ErrorCode, message: string, values: ErrorValues = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = "OpgError";
    this.code = code;
    this.values = values;
  }

  /** HTTP status that this code travels under. */
  get status(): number {
    return errorStatus[this.code];
  }

  /** The error as it is sent: amounts become decimal strings, and what is no value of JSON is left out. */
  toBody(): ErrorBody {
    const values: Record<string, string | number | boolean> = {};
    for (const [key, value] of Object.entries(this.values)) {
      if (typeof value === "bigint") values[key] = value.toString();
      else if (isPlain(value)) values[key] = value;
    }
    return { error: { ...values, code: this.code, message: this.message } };
  }

  /**
   * Reads an error answer of another OPG process; anything else gives `undefined`. Of its values those are kept that errors have:
   * text, finite numbers and booleans, and of all as much as is of use.
   */
  static fromBody(body: unknown): OpgError | undefined {
    const error: unknown = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
    if (!isErrorContent(error)) return undefined;
    const { code, message, ...values } = error;
    const kept = Object.entries(values).filter(([name, value]) => {
      return valueName.test(name) && isPlain(value) && String(value).length <= MAX_TEXT;
    });
    return new OpgError(code, message.slice(0, MAX_TEXT), Object.fromEntries(kept.slice(0, MAX_VALUES)));
  }
}

/** What comes off the wire can be anything: JSON has `null`, and numbers that are read as infinite. */
function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
}

function isErrorContent(error: unknown): error is ErrorBody["error"] {
  if (typeof error !== "object" || error === null || !("code" in error) || !("message" in error)) return false;
  const { code, message } = error;
  return typeof code === "string" && Object.hasOwn(errorStatus, code) && typeof message === "string";
}
