/** The loop of a pipeline: from noise to latents, one step after the other. */

import { makeScheduler } from "./schedulers.js";

/** How many numbers the latents of a model's picture are. */
export function latentCount(card) {
  return card.latents.reduce((product, side) => product * side);
}

/**
 * Draw a picture, as `pipe(**settings, generator=generator)` does in a notebook.
 *
 * @param {import("./model.js").Model} model
 * @param {object} settings prompt, negative_prompt, seed, num_inference_steps, guidance_scale and
 *   scheduler
 * @param {import("./random.js").Generator} generator of the picture's seed
 * @param {Float32Array} noise the latents to begin with, not yet scaled; drawn by default
 * @yields {{step: number, latents: Float32Array, clean: Float32Array, attention: object}} after
 *   each step: the latents, the clean latents that are predicted, and the shares of attention
 */
export async function* denoise(model, settings, generator, noise = null) {
  const { card } = model;
  const drawn = (count) => generator.randn(count);
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
  const start = noise ?? drawn(latentCount(card));
  let latents = start.map((value) => value * scheduler.initNoiseSigma);
  for (const [i, timestep] of scheduler.timesteps.entries()) {
    const input = scheduler.scaleInput(latents, i);
    const conditional = await model.predict(input, timestep, states, guidance_scale);
    let { prediction } = conditional;
    if (isGuided) {
      const unconditional = await model.predict(input, timestep, negative, guidance_scale);
      prediction = guided(unconditional.prediction, prediction, guidance_scale);
    }
    const moved = scheduler.step(prediction, i, latents, drawn);
    latents = moved.latents;
    yield { step: i + 1, latents, clean: moved.clean, attention: conditional.attention };
  }
}

/** Classifier-free guidance: from the unconditional prediction on, past the conditional one. */
export function guided(unconditional, conditional, scale) {
  return unconditional.map((value, k) => value + scale * (conditional[k] - value));
}
