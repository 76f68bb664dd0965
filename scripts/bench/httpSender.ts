import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** An HTTP answer. */
export interface Answer {
  status: number;
  body: string;
}

const END_OF_HEAD = "\r\n\r\n";

/**
 * One kept-alive HTTP/1.1 connection that posts JSON, one request at a time. It does what a caller has to do and no more: a
 * generator that shares its processor with what it measures takes little of it, whoever is measured.
 */
export class HttpSender {
  readonly #socket: Socket;
  readonly #head: string;
  #received = "";
  #answered: PromiseWithResolvers<Answer> | undefined;

  private constructor(socket: Socket, { host }: URL, path: string) {
    this.#socket = socket;
    this.#head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: `;
    socket.setEncoding("latin1").setNoDelay(true);
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", (error) => this.#answered?.reject(error));
    socket.on("close", () => this.#answered?.reject(new Error("The connection was closed.")));
  }

  static async open(url: URL, path: string): Promise<HttpSender> {
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, "connect");
    return new HttpSender(socket, url, path);
  }

  /** @param body - ASCII */
  post(body: string): Promise<Answer> {
    this.#received = "";
    this.#answered = Promise.withResolvers();
    this.#socket.write(`${this.#head}${body.length}${END_OF_HEAD}${body}`, "latin1");
    return this.#answered.promise;
  }

  /** A server closes what nobody used for a while. */
  get isOpen(): boolean {
    return this.#socket.writable;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const headEnd = this.#received.indexOf(END_OF_HEAD);
    if (headEnd < 0) return;
    const head = this.#received.slice(0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    const start = headEnd + END_OF_HEAD.length;
    if (Number.isNaN(length)) this.#answered?.reject(new Error(`An answer names no length: ${head}`));
    if (this.#received.length < start + length) return;
    this.#answered?.resolve({ status: Number(head.slice(9, 12)), body: this.#received.slice(start, start + length) });
  }
}

/** A number of such connections, of which each request takes the one that has been free for longest, or waits for one. */
export class HttpSenders {
  readonly #open: () => Promise<HttpSender>;
  readonly #free: HttpSender[];
  readonly #waiting: ((sender: HttpSender) => void)[] = [];

  private constructor(open: () => Promise<HttpSender>, senders: HttpSender[]) {
    this.#open = open;
    this.#free = senders;
  }

  static async open(url: URL, path: string, connections: number): Promise<HttpSenders> {
    const open = (): Promise<HttpSender> => HttpSender.open(url, path);
    return new HttpSenders(open, await Promise.all(Array.from({ length: connections }, open)));
  }

  async post(body: string): Promise<Answer> {
    const free = this.#free.shift() ?? (await new Promise<HttpSender>((resolve) => this.#waiting.push(resolve)));
    const sender = free.isOpen ? free : await this.#open();
    const answer = await sender.post(body);
    const next = this.#waiting.shift();
    if (next) next(sender);
    else this.#free.push(sender);
    return answer;
  }

  /** After all requests were answered. */
  close(): void {
    for (const sender of this.#free) sender.close();
  }
}
