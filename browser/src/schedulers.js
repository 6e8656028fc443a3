/**
 * Three of diffusers' schedulers, written after its version 0.42: DDIM without added noise, Euler,
 * and DPM-Solver++ of the first and second order.
 *
 * A scheduler is made for one picture from the configuration that diffusers itself has for it and
 * from `alphasCumprod`, the share of the picture that is left at each training timestep. Latents
 * are a Float32Array of any shape. Each scheduler has
 *
 * - `timesteps`: what the U-Net is told at each step;
 * - `initNoiseSigma`: what the noise of the start is multiplied by;
 * - `scaleInput(latents, i)`: what the U-Net sees at step i;
 * - `step(prediction, i, latents)`: the latents after step i, and the clean latents predicted in it.
 */

import { leading, linspace, round, trailing } from "./timesteps.js";

/** DDIM with eta 0 (Song et al. 2021, arXiv:2010.02502, formula 12). */
class DDIM {
  constructor(config, alphasCumprod, steps) {
    const total = config.num_train_timesteps;
    this.config = config;
    this.alphas = alphasCumprod;
    this.stride = Math.floor(total / steps);
    this.initNoiseSigma = 1;
    this.timesteps = {
      leading: () => leading(this.stride, steps, config.steps_offset),
      trailing: () => trailing(total, steps),
      linspace: () =>
        linspace(0, total - 1, steps)
          .map(round)
          .reverse(),
    }[config.timestep_spacing]();
  }

  scaleInput(latents) {
    return latents;
  }

  step(prediction, i, latents) {
    const timestep = this.timesteps[i];
    const { signal, noise } = this.#shares(timestep);
    const next = this.#shares(timestep - this.stride);
    const clean = cleanLatents(prediction, latents, signal, noise, this.config.prediction_type);
    if (this.config.clip_sample) clamp(clean, this.config.clip_sample_range);
    const predictsNoise = this.config.prediction_type === "epsilon";
    const moved = latents.map((value, k) => {
      // diffusers keeps a predicted noise as it is, also where clipping changed the picture.
      const epsilon = predictsNoise
        ? prediction[k]
        : noiseOf(prediction[k], value, signal, noise, this.config.prediction_type);
      return next.signal * clean[k] + next.noise * epsilon;
    });
    return { latents: moved, clean };
  }

  /** How much of the latents is picture and how much noise; before timestep 0, the last word. */
  #shares(timestep) {
    const final = this.config.set_alpha_to_one ? 1 : this.alphas[0];
    const alpha = timestep >= 0 ? this.alphas[timestep] : final;
    return { signal: Math.sqrt(alpha), noise: Math.sqrt(1 - alpha) };
  }
}

/** Euler's method (Karras et al. 2022, arXiv:2206.00364, algorithm 2 without churn). */
class Euler {
  constructor(config, alphasCumprod, steps) {
    const total = config.num_train_timesteps;
    this.config = config;
    this.timesteps = {
      leading: () => leading(Math.floor(total / steps), steps, config.steps_offset),
      trailing: () => trailing(total, steps),
      linspace: () =>
        linspace(0, total - 1, steps)
          .map(Math.fround)
          .reverse(),
    }[config.timestep_spacing]();
    this.sigmas = sigmasAt(this.timesteps, alphasCumprod, config.final_sigmas_type);
    const largest = Math.max(...this.sigmas);
    const isLeading = config.timestep_spacing === "leading";
    this.initNoiseSigma = isLeading ? Math.hypot(largest, 1) : largest;
  }

  scaleInput(latents, i) {
    const scale = Math.hypot(this.sigmas[i], 1);
    return latents.map((value) => value / scale);
  }

  step(prediction, i, latents) {
    const sigma = this.sigmas[i];
    const scale = Math.hypot(sigma, 1);
    const scaled = latents.map((value) => value / scale);
    const type = this.config.prediction_type;
    const clean = cleanLatents(prediction, scaled, 1 / scale, sigma / scale, type);
    const stride = this.sigmas[i + 1] - sigma;
    const moved = latents.map((value, k) => value + ((value - clean[k]) / sigma) * stride);
    return { latents: moved, clean };
  }
}

/** DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095), which looks back at the step before. */
class DPMSolverPlusPlus {
  constructor(config, alphasCumprod, steps) {
    const total = config.num_train_timesteps;
    this.config = config;
    this.initNoiseSigma = 1;
    // diffusers leaves out the timestep that is nearest to the clean picture, hence "+ 1".
    this.timesteps = {
      leading: () =>
        leading(Math.floor(total / (steps + 1)), steps + 1, config.steps_offset).slice(0, -1),
      trailing: () => trailing(total, steps),
      linspace: () =>
        linspace(0, total - 1, steps + 1)
          .map(round)
          .reverse()
          .slice(0, -1),
    }[config.timestep_spacing]();
    this.sigmas = sigmasAt(this.timesteps, alphasCumprod, config.final_sigmas_type);
    this.before = null;
  }

  scaleInput(latents) {
    return latents;
  }

  step(prediction, i, latents) {
    const now = this.#level(i);
    const next = this.#level(i + 1);
    const type = this.config.prediction_type;
    const clean = cleanLatents(prediction, latents, now.alpha, now.sigma, type);
    const h = next.lambda - now.lambda;
    const weight = next.alpha * -Math.expm1(-h);
    const slope = this.#slopeWeight(i, now, next, h);
    const moved = latents.map((value, k) => {
      const straight = (next.sigma / now.sigma) * value + weight * clean[k];
      return slope === 0 ? straight : straight + slope * (clean[k] - this.before[k]);
    });
    this.before = clean;
    return { latents: moved, clean };
  }

  /** The weight of the difference to the step before; 0 where a step is of the first order. */
  #slopeWeight(i, now, next, h) {
    if (this.config.solver_order === 1 || i === 0 || this.#endsPlainly(i)) return 0;
    const ratio = (now.lambda - this.#level(i - 1).lambda) / h;
    const shrink = Math.expm1(-h);
    const weight = this.config.solver_type === "heun" ? shrink / h + 1 : -0.5 * shrink;
    return (next.alpha * weight) / ratio;
  }

  #endsPlainly(i) {
    const { lower_order_final, euler_at_final, final_sigmas_type } = this.config;
    const steps = this.timesteps.length;
    const isShort = lower_order_final && steps < 15;
    return i === steps - 1 && (euler_at_final || isShort || final_sigmas_type === "zero");
  }

  #level(i) {
    const scale = Math.hypot(this.sigmas[i], 1);
    const level = { alpha: 1 / scale, sigma: this.sigmas[i] / scale };
    return { ...level, lambda: Math.log(level.alpha) - Math.log(level.sigma) };
  }
}

/** Short name, as in the course's Python, and class. */
const SCHEDULERS = { ddim: DDIM, euler: Euler, "dpm++": DPMSolverPlusPlus };

/**
 * @param {string} name "ddim", "euler" or "dpm++"
 * @param {object} config diffusers' configuration of that scheduler
 * @param {number[]} alphasCumprod one number for each training timestep
 * @param {number} steps how many to take, at least 1
 */
export function makeScheduler(name, config, alphasCumprod, steps) {
  return new SCHEDULERS[name](config, alphasCumprod, steps);
}

/** The noise of each timestep as a multiple of the picture's, and that of the end. */
function sigmasAt(timesteps, alphasCumprod, finalType) {
  const table = Float32Array.from(alphasCumprod, (alpha) =>
    Math.sqrt(Math.fround(Math.fround(1 - alpha) / alpha)),
  );
  const final = finalType === "sigma_min" ? table[0] : 0;
  return Float32Array.from([...timesteps.map((timestep) => interpolated(table, timestep)), final]);
}

function interpolated(table, place) {
  if (place >= table.length - 1) return table[table.length - 1];
  const below = Math.floor(place);
  return table[below] + (place - below) * (table[below + 1] - table[below]);
}

/** The clean latents in what the U-Net predicts, for latents = signal * clean + noise * epsilon. */
function cleanLatents(prediction, latents, signal, noise, type) {
  const formula = {
    epsilon: (k) => (latents[k] - noise * prediction[k]) / signal,
    sample: (k) => prediction[k],
    v_prediction: (k) => signal * latents[k] - noise * prediction[k],
  }[type];
  return Float32Array.from(latents, (_, k) => formula(k));
}

/** The noise in one latent, for the two predictions that are not the noise itself. */
function noiseOf(prediction, latent, signal, noise, type) {
  if (type === "sample") return (latent - signal * prediction) / noise;
  return signal * prediction + noise * latent;
}

function clamp(values, limit) {
  values.forEach((value, k) => {
    values[k] = Math.min(limit, Math.max(-limit, value));
  });
}
