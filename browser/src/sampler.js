/** The loop of a pipeline: from noise to latents, one step after the other. */

import { randn } from "./random.js";
import { makeScheduler } from "./schedulers.js";

/** The noise that a seed stands for, as `helpers.seeded_latents` draws it in a notebook. */
export function seededNoise(card, seed) {
  const count = card.latents.reduce((product, side) => product * side);
  return randn(count, seed);
}

/**
 * Draw a picture, as `pipe(**settings)` does in a notebook.
 *
 * @param {import("./model.js").Model} model
 * @param {object} settings prompt, negative_prompt, seed, num_inference_steps, guidance_scale and
 *   scheduler
 * @param {Float32Array} noise the latents to begin with, not yet scaled
 * @yields {{step: number, latents: Float32Array, clean: Float32Array, attention: object}} after
 *   each step: the latents, the clean latents that are predicted, and the shares of attention
 */
export async function* denoise(model, settings, noise) {
  const { card } = model;
  const { guidance_scale } = settings;
  const scheduler = makeScheduler(
    settings.scheduler,
    card.schedulers[settings.scheduler],
    card.alphas_cumprod,
    settings.num_inference_steps,
  );
  // A U-Net that reads the scale has guidance inside; at 1 or less, guidance is off.
  const isGuided = guidance_scale > 1 && !card.has_guidance_input;
  const states = await model.read(settings.prompt);
  const negative = isGuided ? await model.read(settings.negative_prompt ?? "") : null;
  let latents = noise.map((value) => value * scheduler.initNoiseSigma);
  for (const [i, timestep] of scheduler.timesteps.entries()) {
    const input = scheduler.scaleInput(latents, i);
    const conditional = await model.predict(input, timestep, states, guidance_scale);
    let { prediction } = conditional;
    if (isGuided) {
      const unconditional = await model.predict(input, timestep, negative, guidance_scale);
      prediction = guided(unconditional.prediction, prediction, guidance_scale);
    }
    const moved = scheduler.step(prediction, i, latents);
    latents = moved.latents;
    yield { step: i + 1, latents, clean: moved.clean, attention: conditional.attention };
  }
}

/** Classifier-free guidance: from the unconditional prediction on, past the conditional one. */
export function guided(unconditional, conditional, scale) {
  return unconditional.map((value, k) => value + scale * (conditional[k] - value));
}
