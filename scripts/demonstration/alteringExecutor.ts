import { createExecutor, type Executor } from "#execution/executor.ts";

/** An executor that runs the model and then changes one bit of every output: what a cheating node might save work with. */
export async function alteringExecutor(): Promise<Executor> {
  const honest = await createExecutor();
  return {
    close: () => honest.close(),
    run: async (model, inputs) => {
      const outputs = await honest.run(model, inputs);
      return Object.fromEntries(
        Object.entries(outputs).map(([name, tensor]) => [name, { ...tensor, data: alter(tensor.data) }]),
      );
    },
  };
}

function alter(data: Uint8Array): Uint8Array {
  return data.map((byte, index) => (index === 0 ? byte ^ 1 : byte));
}
