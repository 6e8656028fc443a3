/**
 * The settings of a picture: checked, in the address, and as text for a file.
 *
 * They have the names of the course's Python: model, prompt, negative_prompt, seed,
 * num_inference_steps, guidance_scale, scheduler. All are text, as in the controls and in the
 * address, until `checked` turns them into what the model takes.
 */

import { ReaderError } from "./download.js";

export const LARGEST_SEED = 2n ** 63n - 1n;
export const MOST_STEPS = 100;
export const LARGEST_SCALE = 30;
export const EXAMPLE = "a fox in a meadow, flat style";

/** What a model is drawn with where nothing else is asked for. */
export function defaults(family, model = family.first) {
  const card = family.models[model];
  return {
    model,
    prompt: EXAMPLE,
    negative_prompt: "",
    seed: "42",
    num_inference_steps: String(card.num_inference_steps),
    guidance_scale: String(card.guidance_scale),
    scheduler: card.scheduler,
  };
}

/**
 * The settings in an address; what it does not name is as in `defaults`.
 *
 * @returns {{settings: object, unknown: string[]}} and what it names that is not here: a model, a
 *   scheduler, each with its value
 */
export function fromAddress(hash, family) {
  const named = Object.fromEntries(new URLSearchParams(hash.replace(/^#/, "")));
  const unknown = [];
  const drop = (name, known) => {
    if (named[name] === undefined || Object.hasOwn(known, named[name])) return;
    unknown.push(`${name} “${named[name]}”`);
    delete named[name];
  };
  drop("model", family.models);
  const basis = defaults(family, named.model);
  drop("scheduler", family.models[basis.model].schedulers);
  for (const name of Object.keys(named)) if (!Object.hasOwn(basis, name)) delete named[name];
  return { settings: { ...basis, ...named }, unknown };
}

/** The part of an address that stands for these settings. */
export function toAddress(settings) {
  const named = Object.entries(settings).filter(([, value]) => value !== "");
  return `#${new URLSearchParams(named)}`;
}

/**
 * The settings as the model takes them; model and scheduler are chosen from lists.
 *
 * @throws {ReaderError} one sentence on the first that is wrong, and one on what to do
 */
export function checked(settings) {
  if (!settings.prompt.trim()) {
    throw new ReaderError(`The prompt is empty. Say what the sticker shows, such as “${EXAMPLE}”.`);
  }
  return {
    ...settings,
    seed: checkedSeed(settings.seed),
    num_inference_steps: checkedNumber(settings, "num_inference_steps", 1, MOST_STEPS, true),
    guidance_scale: checkedNumber(settings, "guidance_scale", 0, LARGEST_SCALE, false),
  };
}

function checkedSeed(text) {
  if (/^\d+$/.test(text.trim()) && BigInt(text) <= LARGEST_SEED) return BigInt(text);
  throw new ReaderError(
    `seed must be a whole number from 0 to 2**63 - 1; got “${text}”. Write one such as 42.`,
  );
}

function checkedNumber(settings, name, least, most, isWhole) {
  const text = settings[name];
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
  const kind = isWhole ? "a whole number" : "a number";
  throw new ReaderError(
    `${name} must be ${kind} from ${least} to ${most}; got “${text}”. Write one in that range.`,
  );
}

/** The settings of a picture as JSON in ASCII, as `helpers.save_image` stores them in a PNG. */
export function toJson(settings) {
  const values = Object.entries(settings).map(([name, value]) => {
    const json = typeof value === "bigint" ? String(value) : JSON.stringify(value);
    return `"${name}": ${json}`;
  });
  const text = `{${values.join(", ")}}`;
  return text.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** One sentence on a picture, for those who cannot see it, as `helpers.alt_text` writes it. */
export function altText({ prompt, ...others }) {
  const named = Object.entries(others)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  return [`Generated picture for the prompt "${prompt}"`, ...named].join(", ");
}

/** A file's name from the prompt and the seed. */
export function fileName({ prompt, seed }) {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ["picture"];
  return `${words.join("-").slice(0, 80)}-seed-${seed}.png`;
}
