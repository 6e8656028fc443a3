/** From a prompt to the numbers that the text encoder reads, as `CLIPTokenizer` does it. */

import { Tokenizer } from "../packages/tokenizers.min.mjs";

export class PromptTokenizer {
  /**
   * @param {object} tokenizer the model's tokenizer.json
   * @param {object} settings its tokenizer_config.json
   */
  constructor(tokenizer, settings) {
    this.tokenizer = new Tokenizer(tokenizer, settings);
    this.limit = settings.model_max_length;
    this.padding = this.tokenizer.token_to_id(settings.pad_token);
    this.end = this.tokenizer.token_to_id(settings.eos_token);
  }

  /**
   * The tokens of a prompt between the marks of start and end: cut where the model stops reading,
   * filled up to that length.
   *
   * @returns {{ids: number[], dropped: number}} and how many tokens did not fit
   */
  encode(prompt) {
    const ids = this.tokenizer.encode(prompt).ids;
    const dropped = Math.max(0, ids.length - this.limit);
    if (dropped) ids.splice(this.limit - 1, Number.POSITIVE_INFINITY, this.end);
    while (ids.length < this.limit) ids.push(this.padding);
    return { ids, dropped };
  }

  /**
   * What the model reads of a prompt.
   *
   * @returns {{words: {word: string, places: number[]}[], dropped: number, limit: number}} each word
   *   with the places of its tokens, none where it is beyond the limit; how many tokens were
   *   dropped; and the limit itself, with the marks of start and end
   */
  reading(prompt) {
    let next = 1; // after the start mark
    const words = prompt.match(/\S+/g) ?? [];
    const placed = words.map((word) => {
      const count = this.tokenizer.encode(word, { add_special_tokens: false }).ids.length;
      const places = Array.from({ length: count }, (_, k) => next + k);
      next += count;
      return { word, places: places.filter((place) => place < this.limit - 1) };
    });
    return { words: placed, dropped: this.encode(prompt).dropped, limit: this.limit };
  }
}
