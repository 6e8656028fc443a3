/** Bring the parts of a page to life that have a `data-live`: the page "Try it", and figures. */

import { element } from "./dom.js";
import { offerFigure } from "./figure.js";
import { Studio } from "./studio.js";
import { missingHere } from "./support.js";
import { showTryIt } from "./try-it.js";

const studio = new Studio(new URL("../", import.meta.url));

export async function bringToLife(places) {
  const fault = missingHere();
  for (const place of places) {
    try {
      if (fault) throw new Error(fault);
      if (place.dataset.live === "try-it") await showTryIt(place, studio);
      else await offerFigure(place, studio);
    } catch (error) {
      place.append(element("p", { class: "live-fault", role: "alert" }, error.message));
    }
  }
}
