/** A picture as a PNG file with its settings inside, as `helpers.save_image` writes one. */

import { withTexts } from "./png.js";
import { altText, toJson } from "./settings.js";

/**
 * @param {{rgba: Uint8ClampedArray, width: number, height: number}} picture
 * @param {object} settings what drew it; `helpers.image_settings` reads them back
 * @returns {Promise<Blob>}
 */
export async function pictureFile({ rgba, width, height }, settings) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
  const plain = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const bytes = new Uint8Array(await plain.arrayBuffer());
  const texts = { settings: toJson(settings), Description: altText(settings) };
  return new Blob([withTexts(bytes, texts)], { type: "image/png" });
}
