/** The picture as it forms: after each step the latents, and now and then the picture expected. */

import { element, slider } from "./dom.js";
import { PictureView } from "./views.js";

export class StepsPanel {
  #snapshots = [];

  constructor() {
    this.view = new PictureView();
    this.controls = element("div");
    this.root = element(
      "div",
      { class: "live-steps", hidden: true },
      this.view.root,
      this.controls,
    );
  }

  begin(card, settings) {
    this.card = card;
    this.settings = settings;
    this.#snapshots = [];
    this.controls.replaceChildren();
    this.root.hidden = false;
    this.view.describe(`A picture that is being drawn for “${settings.prompt}”`);
  }

  /** @param {{step: number, latents: Float32Array, preview: object | null}} news */
  add({ step, latents, preview }) {
    if (preview) this.#snapshots.push({ step, latents, picture: preview });
    this.view.showLatents(latents, this.card.latents);
    if (preview) this.view.showPicture(preview);
    this.view.caption.textContent = `Step ${step} of ${this.settings.num_inference_steps}`;
  }

  finish(picture, latents, description) {
    const last = { step: this.settings.num_inference_steps, latents, picture };
    this.#snapshots.push(last);
    this.#show(last);
    this.view.describe(description);
    if (this.#snapshots.length > 1) this.controls.replaceChildren(this.#scrubber());
  }

  #scrubber() {
    const last = this.#snapshots.length - 1;
    return slider({
      label: "look back",
      min: 0,
      max: last,
      value: last,
      format: (i) => `step ${this.#snapshots[i].step}`,
      onchange: (i) => this.#show(this.#snapshots[i]),
    }).field;
  }

  #show({ step, latents, picture }) {
    this.view.showPicture(picture);
    this.view.showLatents(latents, this.card.latents);
    const all = this.settings.num_inference_steps;
    this.view.caption.textContent =
      step === all
        ? `After step ${step}, the last. Beside it the latents that were decoded.`
        : `What the model expects at step ${step} of ${all}. Beside it the latents so far.`;
  }
}
