/** What the worker does: load models, draw pictures, stop in the middle. */

import { Downloads, ReaderError } from "./download.js";
import { Model, PARTS } from "./model.js";
import { startRuntime } from "./runtime.js";
import { denoise, seededNoise } from "./sampler.js";

const NO_NUMBERS =
  "What was computed are no numbers, which happens with some graphics processors. Choose the " +
  "processor under “compute on”, and draw again.";

export class Painter {
  /** @param {URL} base the folder with family.json's files */
  constructor(base) {
    this.base = base;
    this.downloads = new Downloads(base);
    this.runtimes = new Map();
    this.parts = new Map();
    this.stopped = new Set();
  }

  /** Bytes that `load` would fetch. */
  async missing({ model, provider }) {
    return this.downloads.missing(filesOf(await this.#family(), model, provider));
  }

  /**
   * Make a model ready; what is ready already is not loaded twice.
   *
   * @param {{model: string, provider: string, threads: number}} choice
   * @param {(progress: {received: number, total: number}) => void} tell
   */
  async load(choice, tell) {
    const family = await this.#family();
    const total = await this.missing(choice);
    const card = family.models[choice.model];
    let received = 0;
    const fetched = (file) =>
      this.downloads.unpacked(file, (bytes) => {
        received += bytes;
        tell({ received, total });
      });
    const runtime = await this.#runtime(family, choice, fetched);
    const parts = {};
    for (const name of PARTS) {
      parts[name] = await this.#part(runtime, choice.provider, card.parts[name], fetched);
    }
    const vocabulary = JSON.parse(new TextDecoder().decode(await fetched(card.tokenizer)));
    await this.downloads.forgetAllBut(allFiles(family));
    this.model = new Model(card, vocabulary, parts);
  }

  /**
   * Draw a picture with the model that was loaded last.
   *
   * @param {object} settings as `denoise` takes them; `preview_every` steps there is a picture of
   *   what is expected, and `latents` may stand for the noise of the seed
   * @param {(step: object) => void} tell
   * @param {number} id by which `stop` names this picture
   */
  async draw(settings, tell, id) {
    const { model } = this;
    const begin = performance.now();
    const noise = settings.latents ?? seededNoise(model.card, settings.seed);
    const attention = new Mean();
    let last;
    for await (last of denoise(model, settings, noise)) {
      attention.add(last.attention);
      const isDue = last.step % settings.preview_every === 0;
      const isLast = last.step === settings.num_inference_steps;
      const preview = isDue && !isLast ? await model.decode(last.clean) : null;
      tell({ step: last.step, latents: last.latents, preview });
      await pause();
      if (this.stopped.delete(id)) return { stopped: true };
    }
    if (!last.latents.every(Number.isFinite)) throw new ReaderError(NO_NUMBERS);
    const picture = await model.decode(last.latents);
    const seconds = (performance.now() - begin) / 1000;
    const read = model.tokenizer.reading(settings.prompt);
    return { picture, latents: last.latents, attention: attention.value, read, seconds };
  }

  /** The picture that the decoder makes of latents. */
  async decode({ latents }) {
    return this.model.decode(latents);
  }

  stop(id) {
    this.stopped.add(id);
  }

  async #family() {
    this.family ??= await this.downloads.family();
    return this.family;
  }

  async #runtime(family, { provider, threads }, fetched) {
    if (!this.runtimes.has(provider)) {
      const entry = family.runtimes[provider];
      const binary = (await fetched(entry)).buffer;
      this.runtimes.set(provider, await startRuntime(entry, this.base, binary, provider, threads));
    }
    return this.runtimes.get(provider);
  }

  async #part(runtime, provider, file, fetched) {
    const key = `${provider} ${file.file}`;
    if (!this.parts.has(key)) {
      this.parts.set(key, await started(runtime, await fetched(file), file.file));
    }
    return this.parts.get(key);
  }
}

async function started(runtime, bytes, file) {
  try {
    return await runtime.part(bytes);
  } catch (error) {
    throw new ReaderError(
      `This browser could not start ${file} (${error.message}). Close other tabs to free memory, ` +
        "then reload the page.",
    );
  }
}

/** The files that one model needs. */
export function filesOf(family, model, provider) {
  const card = family.models[model];
  return [family.runtimes[provider], card.tokenizer, ...PARTS.map((name) => card.parts[name])];
}

function allFiles(family) {
  const models = Object.values(family.models);
  const parts = models.flatMap((card) => [
    card.tokenizer,
    ...PARTS.map((name) => card.parts[name]),
  ]);
  return [...Object.values(family.runtimes), ...parts];
}

/** Let messages in, such as the one that says to stop. */
function pause() {
  return new Promise((resolve) => setTimeout(resolve));
}

/** The mean of tensors of one shape. */
class Mean {
  count = 0;

  add({ data, dims }) {
    this.sum ??= { values: new Float64Array(data.length), dims };
    data.forEach((value, i) => {
      this.sum.values[i] += value;
    });
    this.count += 1;
  }

  get value() {
    const { values, dims } = this.sum;
    return { values: Float32Array.from(values, (value) => value / this.count), dims };
  }
}
