/** A line that says what happens, for eyes and for screen readers, with a bar where it takes time. */

import { element } from "./dom.js";
import { megabytes } from "./download.js";

export class Progress {
  constructor() {
    this.bar = element("progress", { "aria-label": "Progress", hidden: true });
    this.detail = element("span", { class: "live-detail", "aria-hidden": "true" });
    this.spoken = element("span", { role: "status" });
    this.root = element("p", { class: "live-progress" }, this.bar, this.spoken, this.detail);
  }

  /** Say something once, without a bar. */
  say(text) {
    this.#show(text, "", null, null);
  }

  /** An error that the reader should see. */
  fail(text) {
    this.say(text);
    this.root.classList.add("live-fault");
  }

  loading({ received, total }) {
    const part = `${megabytes(received)} of ${megabytes(total)} MB`;
    this.#show("Fetching the model", ` ${part}`, received, total);
  }

  drawing(step, steps) {
    this.#show("Drawing", ` step ${step} of ${steps}`, step, steps);
  }

  #show(spoken, detail, value, most) {
    this.root.classList.remove("live-fault");
    if (this.spoken.textContent !== spoken) this.spoken.textContent = spoken;
    this.detail.textContent = detail;
    this.bar.hidden = most === null;
    if (most !== null) {
      this.bar.max = most;
      this.bar.value = value;
    }
  }
}
