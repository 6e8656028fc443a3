/** One map for each word of a prompt: where in the picture the U-Net attended to it. */

import { element } from "./dom.js";
import { attentionView, heatOf } from "./views.js";

/**
 * @param {object} drawn a finished picture with its `attention` and `read.words`
 */
export function attentionPanel({ picture, attention, read }) {
  const [, , height, width] = attention.dims;
  const figures = read.words
    .filter(({ places }) => places.length)
    .map(({ word, places }) => {
      const heat = heatOf(attention, places);
      const view = attentionView(picture, heat, [height, width], word);
      return element("figure", { class: "live-word" }, view, element("figcaption", {}, word));
    });
  return element(
    "section",
    { "aria-label": "Attention to each word" },
    element(
      "p",
      {},
      "Which word painted what: the U-Net's attention to each word, averaged over its layers and " +
        "steps. Yellow is where a word's attention is strongest.",
    ),
    element("div", { class: "live-words" }, ...figures),
  );
}
