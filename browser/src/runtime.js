/** ONNX Runtime Web, which computes the parts of a model: on the processor or by WebGPU. */

import { unpackPart, WEIGHTS_FILE } from "./parts.js";

const MOST_THREADS = 4;

/** How many threads the page may use: one, unless its server isolates it from other sites. */
export function threadsHere() {
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  return globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, cores) : 1;
}

/**
 * @param {{module: string}} runtime an entry of family.json's `runtimes`
 * @param {URL} base the page's folder
 * @param {ArrayBuffer} binary the WebAssembly, unpacked
 * @param {string} provider "wasm" or "webgpu"
 * @param {number} threads
 */
export async function startRuntime(runtime, base, binary, provider, threads) {
  const ort = await import(new URL(runtime.module, base).href);
  ort.env.wasm.wasmBinary = binary;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return new Runtime(ort, provider);
}

class Runtime {
  constructor(ort, provider) {
    this.ort = ort;
    this.provider = provider;
  }

  /** A part of a model, ready to compute. */
  async part(bytes) {
    const { graph, weights } = unpackPart(bytes);
    const session = await this.ort.InferenceSession.create(graph, {
      executionProviders: [this.provider],
      externalData: [{ path: WEIGHTS_FILE, data: new Uint8Array(weights.buffer) }],
    });
    return new Part(this.ort, session);
  }
}

class Part {
  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
  }

  /**
   * Compute once.
   *
   * @param {Object<string, [Float32Array | BigInt64Array, number[]]>} inputs numbers and shape, by
   *   name; only those that the part has are taken
   * @returns {Promise<Object<string, {data: Float32Array, dims: number[]}>>} by name
   */
  async run(inputs) {
    const feeds = {};
    for (const name of this.session.inputNames) {
      const [values, shape] = inputs[name];
      const type = values instanceof BigInt64Array ? "int64" : "float32";
      feeds[name] = new this.ort.Tensor(type, values, shape);
    }
    return this.session.run(feeds);
  }
}
