import { OpgError } from "#protocol/errors.ts";
import type { SignedVerdict } from "#protocol/verdict.ts";
import { resultToJson, type SignedResult } from "#protocol/result.ts";
import { taskToJson } from "#protocol/task.ts";
import type { ReleasedTask } from "./checkRelease.ts";
import type { MessageChannel } from "./messageChannel.ts";
import type { enclaveRequests, hostRequests } from "./messages.ts";

/** The pages that a host answers. */
export type PagePath = "/health" | "/ready" | "/metrics" | "/info";

/** A page as the host makes it. */
export interface Page {
  status: number;
  contentType: string;
  body: string;
}

/** A result that is certified, as far as the host says. */
export interface Certification {
  verdicts: SignedVerdict[];
  /** Hash of the settling transaction, where it is sent already. */
  transaction: string | null;
}

/** All that an enclave asks of its host. */
export interface HostCalls {
  /** @returns whether the node takes new tasks @throws OpgError why this task may not be run */
  admit(released: ReleasedTask): Promise<{ isActive: boolean }>;
  /** The task runs now. @throws OpgError */
  begin(released: ReleasedTask): Promise<void>;
  /** The task ended without a result. Of the error the host learns the code alone. */
  abandon(taskId: string, error: unknown): Promise<void>;
  /** Resolves when the result is certified. @throws OpgError why it is not */
  certify(signed: SignedResult): Promise<Certification>;
  page(path: PagePath): Promise<Page>;
}

/** An enclave's side of the channel. */
export type EnclaveChannel = MessageChannel<typeof enclaveRequests, typeof hostRequests>;

/** Asks over the channel that there is at that moment. */
export function hostCalls(channel: EnclaveChannel): HostCalls {
  const toJson = ({ task, release }: ReleasedTask) => ({ task: taskToJson(task), release });
  return {
    admit: (released) => channel.ask("admit", toJson(released)),
    begin: async (released) => {
      await channel.ask("begin", toJson(released));
    },
    abandon: async (taskId, error) => {
      const code = error instanceof OpgError ? error.code : "internal";
      // A host that is gone needs to know nothing any more.
      await channel.ask("abandon", { taskId, code }).catch(() => undefined);
    },
    certify: ({ result, nodeSignature }) => channel.ask("certify", { result: resultToJson(result), nodeSignature }),
    page: (path) => channel.ask("page", { path }),
  };
}
