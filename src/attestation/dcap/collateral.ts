import { z } from "zod";
import { refusedEvidence } from "#attestation/refusedEvidence.ts";

function hex(bytes: number) {
  return z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`))
    .toLowerCase();
}

const time = z.iso.datetime().transform((text) => Date.parse(text) / 1000);
const svn = z.int().min(0).max(255);
const components = z.array(z.object({ svn })).length(16);
const tcbStatus = z.string().max(64);
const validity = { issueDate: time, nextUpdate: time };
const isvLevels = z.array(z.object({ tcb: z.object({ isvsvn: z.int().min(0).max(65_535) }), tcbStatus })).max(64);
const seam = { mrsigner: hex(48), attributes: hex(8), attributesMask: hex(8) };

const tcbInfo = z.object({
  id: z.enum(["SGX", "TDX"]),
  version: z.literal(3),
  ...validity,
  fmspc: hex(6),
  pceId: hex(2),
  tcbType: z.literal(0),
  tdxModule: z.object(seam).optional(),
  tdxModuleIdentities: z
    .array(z.object({ id: z.string(), ...seam, tcbLevels: isvLevels }))
    .max(32)
    .optional(),
  /** Newest first. */
  tcbLevels: z
    .array(
      z.object({
        tcb: z.object({
          sgxtcbcomponents: components,
          pcesvn: z.int().min(0).max(65_535),
          tdxtcbcomponents: components.optional(),
        }),
        tcbStatus,
      }),
    )
    .max(256),
});

const qeIdentity = z.object({
  id: z.enum(["QE", "TD_QE"]),
  version: z.literal(2),
  ...validity,
  miscselect: hex(4),
  miscselectMask: hex(4),
  attributes: hex(16),
  attributesMask: hex(16),
  mrsigner: hex(32),
  isvprodid: z.int().min(0),
  /** Newest first. */
  tcbLevels: isvLevels,
});

/** Intel's list of firmware and microcode for one line of processors, and what each is worth. */
export type TcbInfo = z.output<typeof tcbInfo>;

/** What Intel's quoting enclave looks like, and what each version of it is worth. */
export type QeIdentity = z.output<typeof qeIdentity>;

/**
 * Reads the list of TCB levels, version 3 of Intel's provisioning service.
 *
 * @throws OpgError `evidence_refused`: `bad_collateral` or `collateral_expired`
 */
export function readTcbInfo(text: Uint8Array, now: number): TcbInfo {
  return readText(tcbInfo, "tcbInfo", text, now);
}

/** Reads the quoting enclave's identity, version 2; it throws as `readTcbInfo` does. */
export function readQeIdentity(text: Uint8Array, now: number): QeIdentity {
  return readText(qeIdentity, "qeIdentity", text, now);
}

function readText<Shape extends typeof tcbInfo | typeof qeIdentity>(
  shape: Shape,
  field: string,
  text: Uint8Array,
  now: number,
): z.output<Shape> {
  const parsed = shape.safeParse(parseJson(text, field));
  if (!parsed.success) {
    throw refusedEvidence("bad_collateral", { field: [field, ...(parsed.error.issues[0]?.path ?? [])].join(".") });
  }
  const { issueDate, nextUpdate } = parsed.data;
  if (now < issueDate || now > nextUpdate) throw refusedEvidence("collateral_expired", { field, nextUpdate, now });
  return parsed.data as z.output<Shape>;
}

function parseJson(text: Uint8Array, field: string): unknown {
  try {
    return JSON.parse(Buffer.from(text).toString("utf8"));
  } catch (cause) {
    throw refusedEvidence("bad_collateral", { field }, { cause });
  }
}
