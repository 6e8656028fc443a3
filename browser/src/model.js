/** A text-to-image model: what its three parts compute, one call each. */

import { PromptTokenizer } from "./tokens.js";

/** The parts of a model by their names in family.json, in the order in which they are used. */
export const PARTS = ["text_encoder", "unet", "decoder"];

export class Model {
  /**
   * @param {object} card the model's entry in family.json
   * @param {{tokenizer: object, settings: object}} vocabulary
   * @param {Object<string, {run: Function}>} parts by the names in PARTS
   */
  constructor(card, vocabulary, parts) {
    this.card = card;
    this.tokenizer = new PromptTokenizer(vocabulary.tokenizer, vocabulary.settings);
    this.parts = parts;
  }

  /** The text encoder's states for a prompt, (1, tokens, width). */
  async read(prompt) {
    const { ids } = this.tokenizer.encode(prompt);
    const input_ids = [BigInt64Array.from(ids, BigInt), [1, ids.length]];
    const { states } = await this.parts.text_encoder.run({ input_ids });
    return [Float32Array.from(states.data), states.dims];
  }

  /**
   * What the U-Net predicts for latents at a timestep, and how it shared its attention out among
   * the tokens: (tokens, height, width), averaged over its layers and heads.
   */
  async predict(latents, timestep, states, guidance_scale) {
    const { prediction, attention } = await this.parts.unet.run({
      sample: [latents, this.latentShape],
      timestep: [Float32Array.of(timestep), [1]],
      encoder_hidden_states: states,
      guidance_scale: [Float32Array.of(guidance_scale), [1]],
    });
    return { prediction: prediction.data, attention };
  }

  /** The picture that the decoder makes of latents: red, green, blue and 255 for each pixel. */
  async decode(latents) {
    const { pixels } = await this.parts.decoder.run({ latents: [latents, this.latentShape] });
    const [, , height, width] = pixels.dims;
    const count = height * width;
    const rgba = new Uint8ClampedArray(4 * count).fill(255); // rounds what it is given
    for (let channel = 0; channel < 3; channel++) {
      for (let i = 0; i < count; i++) {
        rgba[4 * i + channel] = 255 * pixels.data[channel * count + i];
      }
    }
    return { rgba, width, height };
  }

  /** (1, channels, height, width) */
  get latentShape() {
    return [1, ...this.card.latents];
  }
}
