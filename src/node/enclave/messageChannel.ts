import type { Socket } from "node:net";
import type { z } from "zod";
import { OpgError } from "#protocol/errors.ts";
import { currentRequestId, withRequestId } from "#service/requestId.ts";
import { encodeFrame, FrameReader } from "./frames.ts";
import { type Frame, frameJson, INTERFACE_VERSION, type Requests } from "./messages.ts";

/** What this side does when it is asked; what it throws travels as a typed error. */
export type Handlers<Answered extends Requests> = {
  readonly [Type in keyof Answered]: (
    body: z.output<Answered[Type]["request"]>,
  ) => Promise<z.input<Answered[Type]["answer"]>>;
};

/** What a channel speaks. */
export interface ChannelOptions<Asked extends Requests, Answered extends Requests> {
  asked: Asked;
  answered: Answered;
  /** Those that there are at that moment. @throws OpgError where this side is not ready yet */
  handlers: () => Handlers<Answered>;
  /** Longest frame that is taken. */
  maxBytes: number;
  /** Longest frame that the other side takes: it would end the connection at a longer one. */
  maxSentBytes: number;
}

interface Waiting {
  resolve: (answer: unknown) => void;
  reject: (error: OpgError) => void;
}

/**
 * One side of a connection between an enclave and its host: both may ask, answers come in any order. Everything that comes is
 * checked. Who asks for what there is not, or wrongly, gets a typed error; who sends what is no frame, or of another version,
 * is cut off.
 */
export class MessageChannel<Asked extends Requests, Answered extends Requests> {
  readonly #socket: Socket;
  readonly #options: ChannelOptions<Asked, Answered>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** Resolves when nothing can be asked any more. */
  readonly closed: Promise<void>;

  constructor(socket: Socket, options: ChannelOptions<Asked, Answered>) {
    this.#socket = socket;
    this.#options = options;
    const reader = new FrameReader(options.maxBytes);
    socket.on("data", (chunk: Buffer) => this.#read(reader, chunk));
    // Why it broke does not matter: it is closed then.
    socket.on("error", () => undefined);
    socket.on("end", () => socket.destroy());
    this.closed = new Promise((resolve) => socket.once("close", () => resolve(this.#end())));
  }

  /**
   * Asks the other side.
   *
   * @throws OpgError its own; `node_unavailable` when it is gone; `internal` when it answers something else, or would not take
   * what is asked
   */
  async ask<Type extends keyof Asked & string>(
    type: Type,
    body: z.input<Asked[Type]["request"]>,
  ): Promise<z.output<Asked[Type]["answer"]>> {
    if (this.#socket.destroyed) throw gone();
    const id = ++this.#lastId;
    const requestId = currentRequestId();
    const frame = this.#encode({ id, type, body, ...(requestId === undefined ? {} : { requestId }) });
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.write(frame);
    const parsed = this.#options.asked[type]?.answer.safeParse(await answer);
    if (!parsed?.success) throw new OpgError("internal", `The answer to "${type}" is none; end the node and start it.`);
    return parsed.data as z.output<Asked[Type]["answer"]>;
  }

  /** Ends the connection; what was asked fails. */
  close(): void {
    this.#socket.destroy();
  }

  #read(reader: FrameReader, chunk: Buffer): void {
    try {
      for (const content of reader.push(chunk)) this.#receive(frameJson.parse(content));
    } catch {
      this.#socket.destroy();
    }
  }

  #receive(frame: Frame): void {
    if ("type" in frame) {
      const { requestId } = frame;
      void (requestId === undefined ? this.#serve(frame) : withRequestId(requestId, () => this.#serve(frame)));
      return;
    }
    const waiting = this.#waiting.get(frame.id);
    this.#waiting.delete(frame.id);
    if ("answer" in frame) waiting?.resolve(frame.answer);
    else waiting?.reject(OpgError.fromBody(frame) ?? new OpgError("internal", "The other side failed."));
  }

  async #serve({ id, type, body }: Extract<Frame, { type: string }>): Promise<void> {
    let frame: Buffer;
    try {
      frame = this.#encode({ id, answer: await this.#handle(type, body) });
    } catch (error) {
      frame = this.#encodeError(id, error);
    }
    if (!this.#socket.destroyed) this.#socket.write(frame);
  }

  async #handle(type: string, body: unknown): Promise<unknown> {
    const { answered, handlers } = this.#options;
    const known = Object.hasOwn(answered, type) ? answered[type] : undefined;
    if (!known) throw new OpgError("not_found", "There is no message of this type in this version of the interface.");
    const parsed = known.request.safeParse(body);
    if (parsed.success) return handlers()[type as keyof Answered](parsed.data as never);
    const field = parsed.error.issues[0]?.path.join(".") ?? "";
    throw new OpgError("invalid_body", `"${field}" of the message is wrong.`, { field });
  }

  /** @throws OpgError `internal` for what the other side could not read: that would be the end of both */
  #encode(content: object): Buffer {
    let frame: Buffer | undefined;
    try {
      frame = encodeFrame({ version: INTERFACE_VERSION, ...content });
    } catch {
      // What it says could repeat what must not leave.
    }
    if (frame && frame.length <= this.#options.maxSentBytes) return frame;
    throw new OpgError("internal", "The message cannot be sent between the enclave and its host; it is too long.");
  }

  #encodeError(id: number, error: unknown): Buffer {
    const named = error instanceof OpgError ? error : new OpgError("internal", "It failed for a reason of its own.");
    try {
      return this.#encode({ id, ...named.toBody() });
    } catch {
      return this.#encode({ id, ...new OpgError("internal", "It failed, and why is too long to say.").toBody() });
    }
  }

  #end(): void {
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }
}

function gone(): OpgError {
  return new OpgError("node_unavailable", "The node's enclave or its host has ended; try another node.");
}
