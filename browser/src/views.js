/** Canvases: a picture, the latents behind it, and the attention to a word. */

import { element } from "./dom.js";

/** A picture with its latents beside it. Every page and figure shows pictures in this one way. */
export class PictureView {
  /** @param {string} caption what is below the picture, or nothing */
  constructor(caption = "") {
    this.picture = element("canvas", { class: "live-picture", role: "img" });
    this.latents = element("canvas", { class: "live-latents", role: "img" });
    this.caption = element("figcaption", {}, caption);
    this.root = element("figure", { class: "live-view" }, this.picture, this.latents, this.caption);
    this.describe("No picture yet");
  }

  describe(text) {
    this.picture.setAttribute("aria-label", text);
  }

  /** @param {{rgba: Uint8ClampedArray, width: number, height: number}} picture */
  showPicture({ rgba, width, height }) {
    paint(this.picture, new ImageData(rgba, width, height));
  }

  /**
   * The channels of latents one above the other, in grey: black is the lowest number of all, white
   * the highest.
   *
   * @param {Float32Array} latents
   * @param {number[]} shape channels, height and width
   */
  showLatents(latents, [channels, height, width]) {
    let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const value of latents) {
      lowest = Math.min(lowest, value);
      highest = Math.max(highest, value);
    }
    const grey = Float32Array.from(latents, (v) => (255 * (v - lowest)) / (highest - lowest || 1));
    paint(this.latents, greyImage(grey, width, channels * height));
    const range = `from ${lowest.toFixed(1)} to ${highest.toFixed(1)}`;
    this.latents.setAttribute("aria-label", `The ${channels} channels of the latents, ${range}`);
  }
}

function greyImage(grey, width, height) {
  const image = new ImageData(width, height);
  grey.forEach((value, i) => {
    image.data.set([value, value, value, 255], 4 * i);
  });
  return image;
}

function paint(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Dark violet, red and yellow: as in the notebooks, yellow is where the attention is strongest.
const COLORS = [
  [26, 10, 70],
  [178, 44, 92],
  [252, 242, 120],
];
const STRENGTH = 0.65;

/**
 * The attention to one word over the picture in grey.
 *
 * @param {{rgba: Uint8ClampedArray, width: number, height: number}} picture
 * @param {Float32Array} heat from 0 to 1, row by row
 * @param {number[]} size height and width of `heat`
 */
export function attentionView(picture, heat, [height, width], word) {
  const canvas = element("canvas", { class: "live-picture", role: "img" });
  const small = document.createElement("canvas");
  paint(
    small,
    greyImage(
      heat.map((value) => 255 * value),
      width,
      height,
    ),
  );
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(small, 0, 0, canvas.width, canvas.height); // the browser smooths it
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < image.data.length; i += 4) {
    const [r, g, b] = picture.rgba.subarray(i, i + 3);
    const grey = 0.299 * r + 0.587 * g + 0.114 * b;
    const color = heatColor(image.data[i] / 255);
    color.forEach((value, k) => {
      image.data[i + k] = (1 - STRENGTH) * grey + STRENGTH * value;
    });
  }
  context.putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", `Attention to “${word}”: strongest ${place(heat, width)}`);
  return canvas;
}

function heatColor(value) {
  const at = value * (COLORS.length - 1);
  const below = Math.min(Math.floor(at), COLORS.length - 2);
  const share = at - below;
  return COLORS[below].map((low, k) => low + share * (COLORS[below + 1][k] - low));
}

/** Where the largest number is, in words. */
function place(heat, width) {
  const at = heat.indexOf(Math.max(...heat));
  const height = heat.length / width;
  const row = Math.floor((3 * Math.floor(at / width)) / height);
  const column = Math.floor((3 * (at % width)) / width);
  const words = [
    ["at the top left", "at the top", "at the top right"],
    ["on the left", "in the middle", "on the right"],
    ["at the bottom left", "at the bottom", "at the bottom right"],
  ];
  return words[row][column];
}

/**
 * The mean attention to some tokens, stretched to the range from 0 to 1.
 *
 * @param {{values: Float32Array, dims: number[]}} attention (1, tokens, height, width)
 * @param {number[]} places which tokens
 */
export function heatOf({ values, dims }, places) {
  const [, , height, width] = dims;
  const count = height * width;
  const heat = new Float32Array(count);
  for (const token of places) {
    for (let i = 0; i < count; i++) heat[i] += values[token * count + i] / places.length;
  }
  const lowest = Math.min(...heat);
  const range = Math.max(1e-12, Math.max(...heat) - lowest);
  return heat.map((value) => (value - lowest) / range);
}
