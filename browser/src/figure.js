/** A figure of the reading that lives: the model draws what its sliders say. */

import { element, slider } from "./dom.js";
import { megabytes } from "./download.js";
import { Progress } from "./progress.js";
import { RECIPES } from "./recipes.js";
import { PictureView } from "./views.js";

/**
 * Put a button below a static figure; it replaces the figure by the live one.
 *
 * @param {Element} place holds the static picture; its `data-live` names a recipe
 * @param {import("./studio.js").Studio} studio
 */
export async function offerFigure(place, studio) {
  const recipe = RECIPES[place.dataset.live];
  const progress = new Progress();
  const family = await studio.family();
  const missing = await studio.missing(family.first);
  const size = missing ? ` (fetches ${megabytes(missing)} MB, once)` : "";
  const button = element("button", { type: "button" }, `Let the model draw this${size}`);
  button.addEventListener("click", () => {
    const figure = new Figure(recipe, studio, family);
    place.replaceChildren(figure.root);
    figure.draw();
  });
  place.append(element("p", { class: "live-offer" }, button), progress.root);
}

class Figure {
  constructor(recipe, studio, family) {
    this.recipe = recipe;
    this.studio = studio;
    this.model = family.first;
    this.card = family.models[family.first];
    this.progress = new Progress();
    this.views = recipe.captions.map((caption) => new PictureView(caption));
    this.sliders = Object.entries(recipe.sliders(this.card)).map(([name, range]) => [
      name,
      slider({ label: name, ...range, onchange: () => this.draw() }),
    ]);
    this.root = element(
      "div",
      { class: "live-figure" },
      element("div", { class: "live-views" }, ...this.views.map((view) => view.root)),
      ...this.sliders.map(([, { field }]) => field),
      this.progress.root,
    );
  }

  /** Draw what the sliders say now; a picture that is still being drawn is dropped. */
  async draw() {
    const entries = this.sliders.map(([name, { range }]) => [name, Number(range.value)]);
    try {
      await this.recipe.draw(this, Object.fromEntries(entries));
    } catch (error) {
      this.progress.fail(error.message);
    }
  }

  /** One picture into one view; false if it was dropped for a newer one. */
  async picture(view, settings) {
    const all = { scheduler: this.card.scheduler, model: this.model, ...settings };
    const drawn = await this.studio.draw(
      this,
      { ...all, preview_every: all.num_inference_steps },
      {
        onLoad: (news) => this.progress.loading(news),
        onStep: ({ step, latents }) => {
          this.progress.drawing(step, all.num_inference_steps);
          view.showLatents(latents, this.card.latents);
        },
      },
    );
    if (!drawn) return null;
    view.showPicture(drawn.picture);
    this.progress.say(`Drawn in ${drawn.seconds.toFixed(1)} seconds.`);
    return drawn;
  }
}
