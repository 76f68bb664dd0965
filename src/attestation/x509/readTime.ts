import { type DerValue, derTag, malformed } from "./derReader.ts";

/**
 * A time of RFC 5280, section 4.1.2.5: `YYMMDDHHMMSSZ` up to 2049, `YYYYMMDDHHMMSSZ` from 2050 on or where a maker
 * prefers it.
 *
 * @returns seconds since 1970
 */
export function readTime({ tag, content }: DerValue): number {
  const text = Buffer.from(content).toString("latin1");
  if (tag === derTag.utcTime) return parse(`${text.slice(0, 2) < "50" ? "20" : "19"}${text}`);
  if (tag === derTag.generalizedTime) return parse(text);
  throw malformed("time");
}

function parse(text: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!parts) throw malformed("time");
  const [year, month, day, hour, minute, second] = parts.slice(1) as [string, string, string, string, string, string];
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const time = Date.parse(iso);
  // 30 February is read as 1 or 2 March.
  if (Number.isNaN(time) || new Date(time).toISOString() !== iso) throw malformed("time");
  return time / 1000;
}
