/** The page "Try it": a form with every setting, the picture forming, and what is inside it. */

import { attentionPanel } from "./attention-panel.js";
import { element, labelled } from "./dom.js";
import { megabytes } from "./download.js";
import { pictureFile } from "./picture-file.js";
import { Progress } from "./progress.js";
import { PromptField } from "./prompt-field.js";
import { altText, checked, fileName, fromAddress, toAddress } from "./settings.js";
import { StepsPanel } from "./steps-panel.js";
import { hasWebGPU } from "./support.js";

const PREVIEW_EVERY = 3;

/** What a run computes on, by ONNX Runtime's name for it. */
const PROVIDERS = { wasm: "the processor", webgpu: "the graphics processor (WebGPU)" };

export async function showTryIt(place, studio) {
  const page = new TryIt(studio, await studio.family(), await hasWebGPU());
  place.replaceChildren(page.root);
  await page.begin();
}

class TryIt {
  constructor(studio, family, withGraphics) {
    this.studio = studio;
    this.family = family;
    this.progress = new Progress();
    this.steps = new StepsPanel();
    this.result = element("div", { class: "live-result" });
    this.prompt = new PromptField(family.vocabulary);
    this.controls = this.#controls();
    this.provider = element("select", {}, ...options(PROVIDERS));
    this.drawButton = element("button", { type: "submit", class: "live-main" }, "Draw");
    this.stopButton = element(
      "button",
      { type: "button", disabled: true, onclick: () => this.#stop() },
      "Stop",
    );
    this.form = this.#form(withGraphics);
    this.root = element(
      "div",
      { class: "live-page" },
      this.form,
      this.progress.root,
      this.steps.root,
      this.result,
    );
  }

  /** Fill in what the address says, and draw at once if nothing has to be fetched for it. */
  async begin() {
    window.addEventListener("hashchange", () => this.#readAddress());
    const isPicture = this.#readAddress() && location.hash.includes("prompt=");
    const missing = await this.#tellSize();
    if (isPicture && missing === 0) await this.#draw();
  }

  #controls() {
    const models = Object.entries(this.family.models).map(([name, { about }]) => [
      name,
      `${name}: ${about}`,
    ]);
    const [card] = Object.values(this.family.models);
    const schedulers = Object.keys(card.schedulers).map((name) => [name, name]);
    return {
      model: element(
        "select",
        { onchange: () => this.#chooseModel() },
        ...options(Object.fromEntries(models)),
      ),
      prompt: this.prompt.input,
      negative_prompt: element("input", { type: "text", autocomplete: "off" }),
      seed: element("input", { type: "text", inputmode: "numeric", autocomplete: "off" }),
      num_inference_steps: element("input", { type: "number", min: 1, max: 100, step: 1 }),
      guidance_scale: element("input", { type: "number", min: 0, max: 30, step: 0.5 }),
      scheduler: element("select", {}, ...options(Object.fromEntries(schedulers))),
    };
  }

  #form(withGraphics) {
    const { prompt, model, ...others } = this.controls;
    const fields = Object.entries(others).map(([name, control]) => labelled(name, control));
    if (withGraphics) {
      this.provider.addEventListener("change", () => this.#tellSize());
      fields.push(labelled("compute on", this.provider));
    }
    return element(
      "form",
      {
        class: "live-form",
        novalidate: true, // the page's own messages say more
        onsubmit: (event) => {
          event.preventDefault();
          this.#draw();
        },
      },
      this.prompt.root,
      labelled("model", model),
      element("div", { class: "live-fields" }, ...fields),
      element("div", { class: "live-buttons" }, this.drawButton, this.stopButton, this.#dice()),
    );
  }

  /** A button for those who want to be surprised. */
  #dice() {
    const draw = () => {
      this.controls.seed.value = Math.floor(1000 * Math.random());
      this.#draw();
    };
    return element("button", { type: "button", onclick: draw }, "Another seed");
  }

  #readAddress() {
    const { settings, unknown } = fromAddress(location.hash, this.family);
    for (const [name, value] of Object.entries(settings)) this.controls[name].value = value;
    this.prompt.refresh();
    if (unknown.length) {
      const what = unknown.join(" and ");
      this.progress.fail(`The address asks for the ${what}, which is not here. Choose another.`);
    }
    return unknown.length === 0;
  }

  get #settings() {
    const entries = Object.entries(this.controls);
    return Object.fromEntries(entries.map(([name, control]) => [name, control.value]));
  }

  #chooseModel() {
    const card = this.family.models[this.controls.model.value];
    this.controls.num_inference_steps.value = card.num_inference_steps;
    this.controls.guidance_scale.value = card.guidance_scale;
    this.controls.scheduler.value = card.scheduler;
    this.#tellSize();
  }

  /** Say what the next picture has to fetch; return the bytes. */
  async #tellSize() {
    const missing = await this.studio.missing(this.controls.model.value, this.provider.value);
    this.drawButton.textContent = missing
      ? `Fetch the model (${megabytes(missing)} MB) and draw`
      : "Draw";
    return missing;
  }

  async #draw() {
    let settings;
    try {
      settings = checked(this.#settings);
    } catch (error) {
      this.progress.fail(error.message);
      return;
    }
    history.replaceState(null, "", toAddress(this.#settings));
    this.result.replaceChildren();
    this.steps.begin(this.family.models[settings.model], settings);
    this.stopButton.disabled = false;
    const mine = Symbol("picture");
    this.newest = mine;
    try {
      const drawn = await this.#drawn(settings);
      if (this.newest !== mine) return; // it was dropped for a newer one
      if (drawn) await this.#present(drawn, settings);
      else this.progress.say("Stopped.");
    } catch (error) {
      this.progress.fail(error.message);
    }
    this.stopButton.disabled = true;
    await this.#tellSize();
  }

  #drawn(settings) {
    this.progress.say("Starting the model");
    const how = { ...settings, provider: this.provider.value, preview_every: PREVIEW_EVERY };
    return this.studio.draw(this, how, {
      onLoad: (news) => this.progress.loading(news),
      onStep: (news) => {
        this.progress.drawing(news.step, settings.num_inference_steps);
        this.steps.add(news);
      },
    });
  }

  async #present(drawn, settings) {
    const dropped = this.prompt.droppedWords(drawn.read);
    this.progress.say(`Drawn in ${drawn.seconds.toFixed(1)} seconds.${dropped}`);
    this.steps.finish(drawn.picture, drawn.latents, altText(settings));
    this.result.replaceChildren(await downloadLink(drawn.picture, settings), attentionPanel(drawn));
  }

  #stop() {
    this.studio.stop(this);
    this.stopButton.disabled = true;
    this.drawButton.focus(); // a disabled button would leave the keyboard nowhere
  }
}

function options(texts) {
  return Object.entries(texts).map(([value, text]) => element("option", { value }, text));
}

async function downloadLink(picture, settings) {
  const href = URL.createObjectURL(await pictureFile(picture, settings));
  const link = element("a", { href, download: fileName(settings) }, "Download this picture");
  return element(
    "p",
    {},
    link,
    " with its settings inside the PNG. The address of this page is this picture, too: whoever " +
      "opens it gets the same one.",
  );
}
