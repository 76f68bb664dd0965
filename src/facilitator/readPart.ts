import type { z } from "zod";
import { OpgError } from "#protocol/errors.ts";

/** Reads a part of a body whose shape depends on what stands beside it. @throws OpgError `invalid_body` naming the field */
export function readPart<Schema extends z.ZodType>(name: string, schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = [name, ...(issue?.path ?? [])].join(".");
  throw new OpgError("invalid_body", `"${field}" is wrong: ${issue?.message ?? "unreadable"}.`, { field });
}
