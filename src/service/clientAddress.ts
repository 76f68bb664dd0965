import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

const MAPPED = "::ffff:";

/**
 * Whose request it is: the peer, or, where the peer is a trusted proxy, the nearest address in `X-Forwarded-For` that is
 * none. What stands further left there anybody may have written. An IPv6 address counts by its /64, which is what one
 * subscriber has.
 *
 * @param peer - address of the socket
 * @param forwarded - the header
 */
export function clientAddress(peer: string, forwarded: string | undefined, proxies: BlockList): string {
  let address = plain(peer);
  if (forwarded === undefined || !isListed(address, proxies)) return subscriber(address);
  for (const hop of forwarded.split(",").reverse()) {
    const named = plain(hop.trim());
    if (isIP(named) === 0) break;
    address = named;
    if (!isListed(address, proxies)) break;
  }
  return subscriber(address);
}

/** Reads addresses and networks, such as `10.0.0.7, 10.1.0.0/16, fd00::/8`. @throws RangeError naming the wrong one */
export function readAddresses(text: string): BlockList {
  const list = new BlockList();
  for (const entry of text.split(",").map((part) => part.trim())) {
    const [address = "", prefix, ...rest] = entry.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    const longest = family === "ipv4" ? 32 : 128;
    const length = prefix === undefined ? longest : Number(prefix);
    const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && length <= longest);
    if (isIP(address) === 0 || !isPrefix || rest.length > 0)
      throw new RangeError(`"${entry}" is no address or network`);
    list.addSubnet(address, length, family);
  }
  return list;
}

function isListed(address: string, list: BlockList): boolean {
  return isIP(address) !== 0 && list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}

/** An IPv4 address that reached an IPv6 socket is one all the same. */
function plain(address: string): string {
  const text = address.toLowerCase();
  return text.startsWith(MAPPED) && isIPv4(text.slice(MAPPED.length)) ? text.slice(MAPPED.length) : text;
}

function subscriber(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail = ""] = address.replace(/%.*$/, "").split("::");
  const front = groupsOf(head);
  const back = groupsOf(tail);
  const zeros = new Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0");
  const groups = [...front, ...zeros, ...back].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}

/** Two groups may be written as an IPv4 address. */
function groupsOf(text: string): string[] {
  return text.split(":").flatMap((group) => (group === "" ? [] : group.includes(".") ? ["v4", "v4"] : [group]));
}
