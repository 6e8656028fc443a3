/** What the live figures of the reading draw: their sliders, and what a picture is made of. */

import { seededNoise } from "./sampler.js";
import { EXAMPLE } from "./settings.js";

const STEPS = 12;
const SEED = 5n;

const basis = (card) => ({
  prompt: EXAMPLE,
  negative_prompt: "",
  seed: SEED,
  num_inference_steps: Math.min(STEPS, card.num_inference_steps),
  guidance_scale: card.guidance_scale,
});

/** A figure with one picture, in which a slider is one setting. */
const oneSetting = (name, range) => ({
  captions: [EXAMPLE],
  sliders: (card) => ({ [name]: { value: basis(card)[name], ...range } }),
  draw: async (figure, values) => {
    const settings = { ...basis(figure.card), ...values };
    const drawn = await figure.picture(figure.views[0], settings);
    if (drawn) {
      figure.views[0].describe(`“${EXAMPLE}” with ${name} ${values[name]}`);
    }
  },
});

/** Noise that is added to a finished picture, as in training. */
const forward = {
  captions: ["a picture with noise added to its latents"],
  sliders: () => ({ timestep: { min: 0, max: 999, step: 1, value: 300 } }),
  draw: async (figure, { timestep }) => {
    const { card } = figure;
    const [view] = figure.views;
    if (!figure.clean) {
      const drawn = await figure.picture(view, basis(card));
      if (!drawn) return;
      figure.clean = drawn.latents;
    }
    const alpha = timestep > 0 ? card.alphas_cumprod[timestep] : 1;
    const noise = seededNoise(card, SEED + 1n);
    const noisy = figure.clean.map(
      (value, k) => Math.sqrt(alpha) * value + Math.sqrt(1 - alpha) * noise[k],
    );
    const picture = await figure.studio.decode(figure, { model: figure.model }, noisy);
    if (!picture) return;
    view.showPicture(picture);
    view.showLatents(noisy, card.latents);
    const share = `${Math.round(100 * alpha)} percent of the signal's power is left`;
    view.describe(`A picture with the noise of timestep ${timestep}: ${share}`);
    figure.progress.say(`At timestep ${timestep}, ${share}.`);
  },
};

/** Four pictures that differ in their noise alone. */
const seeds = {
  captions: ["", "", "", ""],
  sliders: () => ({ "first seed": { min: 0, max: 200, step: 4, value: 0 } }),
  draw: async (figure, values) => {
    for (const [i, view] of figure.views.entries()) {
      const seed = values["first seed"] + i;
      view.caption.textContent = `seed ${seed}`;
      const settings = { ...basis(figure.card), seed: BigInt(seed) };
      if (!(await figure.picture(view, settings))) return;
      view.describe(`“${EXAMPLE}” from seed ${seed}`);
    }
  },
};

/** By the name in a figure's `data-live`. */
export const RECIPES = {
  "forward-noise": forward,
  guidance: oneSetting("guidance_scale", { min: 1, max: 15, step: 0.5 }),
  steps: oneSetting("num_inference_steps", { min: 1, max: 30, step: 1 }),
  seeds,
};
