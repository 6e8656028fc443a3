/** The prompt: a line to write in, words to choose from, and a mark on words the model never read. */

import { element, labelled } from "./dom.js";
import { completed, completions, unknownWords, wordsOf } from "./vocabulary.js";

export class PromptField {
  constructor(vocabulary) {
    this.vocabulary = vocabulary;
    this.input = element("input", {
      type: "text",
      autocomplete: "off",
      autocapitalize: "none",
      "aria-describedby": "live-unknown",
      oninput: () => this.refresh(),
    });
    this.choices = element("div", {
      class: "live-choices",
      role: "group",
      "aria-label": "Words that go on from here",
    });
    this.unknown = element("p", { id: "live-unknown", class: "live-unknown", role: "status" });
    this.root = element(
      "div",
      {},
      labelled("prompt", this.input),
      this.unknown,
      this.choices,
      this.#builder(),
    );
  }

  /** Show what belongs to the text as it is now. */
  refresh() {
    const words = completions(this.input.value, this.vocabulary);
    const begun = words.length ? wordsOf(this.input.value).at(-1) : null; // may become a known one
    const unknown = unknownWords(this.input.value, this.vocabulary).filter(
      (word) => word !== begun,
    );
    this.unknown.replaceChildren(...(unknown.length ? unknownNote(unknown) : []));
    this.choices.replaceChildren(
      ...words.map((word) =>
        element("button", { type: "button", onclick: () => this.#complete(word) }, word),
      ),
    );
  }

  /** A sentence on the words that were not read, where a prompt was longer than the model reads. */
  droppedWords({ dropped, limit }) {
    if (!dropped) return "";
    return (
      ` The prompt is too long: the model reads ${limit - 2} tokens, so the last ${dropped} were ` +
      "not read. Shorten it to have all of it drawn."
    );
  }

  #complete(word) {
    this.input.value = completed(this.input.value, word);
    this.input.focus();
    this.refresh();
  }

  /** Three lists that make a whole prompt, for those who do not know what to write. */
  #builder() {
    const { subjects, styles, places } = this.vocabulary;
    const lists = {
      subject: select(subjects),
      place: select(places),
      style: select(styles),
    };
    const write = () => {
      const { subject, place, style } = lists;
      this.input.value = `${withArticle(subject.value)} ${place.value}, ${style.value} style`;
      this.refresh();
    };
    for (const list of Object.values(lists)) list.addEventListener("change", write);
    const fields = Object.entries(lists).map(([name, list]) => labelled(name, list));
    return element(
      "details",
      { class: "live-builder" },
      element("summary", {}, "Choose words that the model knows"),
      element("div", { class: "live-fields" }, ...fields),
    );
  }
}

function select(words) {
  return element("select", {}, ...words.map((word) => element("option", { value: word }, word)));
}

function withArticle(noun) {
  return /^[aeiou]/.test(noun) && !/^uni/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

function unknownNote(words) {
  const marked = words.flatMap((word, i) => [i ? ", " : "", element("mark", {}, word)]);
  return ["The model never read: ", ...marked, ". Such words are noise to it."];
}
