import { setFlagsFromString } from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import * as ort from "onnxruntime-web";
import type { Dtype, NamedTensors, Tensor } from "#protocol/tensors.ts";
import { canonicalizeNans } from "./canonicalizeNans.ts";
import { reproducibleProfile } from "./profile.ts";
import type { WorkerAnswer, WorkerRequest } from "./workerMessages.ts";

/** The program of the thread that executes models: it keeps sessions by model digest and answers one run at a time. */
const sessions = new Map<string, ort.InferenceSession>();
const { numThreads, executionMode, graphOptimizationLevel } = reproducibleProfile;

// How much a function of the engine runs before V8 compiles it again, optimised: ten times as much as by itself, which spends
// more on optimising what only loads models than a process's first runs take.
setFlagsFromString("--wasm-tiering-budget=130000000");

// ONNX Runtime would write its own warnings on the daemon's standard output.
const FATAL_ONLY = 4;
ort.env.logLevel = "fatal";
ort.env.wasm.numThreads = numThreads;
ort.env.wasm.wasmBinary = (workerData as { engine: Uint8Array }).engine;

parentPort?.on("message", (request: WorkerRequest) => {
  answer(request).then(
    (reply) => parentPort?.postMessage(reply),
    (error: unknown) => parentPort?.postMessage({ failure: String(error) } satisfies WorkerAnswer),
  );
});

// The engine is built before any model comes: what that takes is not the first model's time. This model is none.
await createSession(new Uint8Array()).catch(() => undefined);
parentPort?.postMessage("started");

async function answer({ digest, load, release, inputs }: WorkerRequest): Promise<WorkerAnswer> {
  for (const evicted of release) {
    await sessions.get(evicted)?.release();
    sessions.delete(evicted);
  }
  if (load) sessions.set(digest, await createSession(load));
  const session = sessions.get(digest);
  if (!session) throw new Error("the model is not loaded");
  const results = await session.run(
    Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toRuntime(tensor)])),
  );
  const outputs: NamedTensors = Object.fromEntries(
    session.outputNames.map((name) => [name, fromRuntime(name, results[name])]),
  );
  return { outputs };
}

function createSession(model: Uint8Array): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(model, {
    executionProviders: ["wasm"],
    executionMode,
    graphOptimizationLevel,
    logSeverityLevel: FATAL_ONLY,
  });
}

/** Typed arrays by element type; WebAssembly and every platform of onnxruntime-web are little-endian. */
const arrays = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float64: Float64Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
} as const satisfies Record<Dtype, unknown>;

function toRuntime({ dtype, shape, data }: Tensor): ort.Tensor {
  // A copy of its own, because a view into a message need not be aligned to the element.
  return new ort.Tensor(dtype, new arrays[dtype](Uint8Array.from(data).buffer), shape);
}

function fromRuntime(name: string, value: ort.OnnxValue | undefined): Tensor {
  if (!value || !("data" in value)) throw new Error(`the model gave no tensor "${name}"`);
  const { type, dims, data } = value;
  if (!Object.hasOwn(arrays, type) || !ArrayBuffer.isView(data)) {
    throw new Error(`the output "${name}" is of type ${type}`);
  }
  const dtype = type as Dtype;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return { dtype, shape: [...dims], data: canonicalizeNans(dtype, bytes) };
}
