/** The words of a prompt, and which of them the model was trained on. */

// Letters and digits of any script, with apostrophes inside; as `helpers.vocabulary` has it.
const WORD = /[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*/gu;
const WORD_AT_END = /[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]*)*$/u;

/** @returns {string[]} the words in their order, in lower case, without punctuation */
export function wordsOf(prompt) {
  return prompt.toLowerCase().match(WORD) ?? [];
}

/** @returns {string[]} the words that the model never read, each once, in their order */
export function unknownWords(prompt, vocabulary) {
  const known = new Set(vocabulary.words);
  return [...new Set(wordsOf(prompt))].filter((word) => !known.has(word));
}

/** The words and phrases that go on with what is being written at the end of `prompt`. */
export function completions(prompt, vocabulary, most = 8) {
  const begun = (prompt.match(WORD_AT_END)?.[0] ?? "").toLowerCase();
  if (!begun) return [];
  const phrases = [...vocabulary.phrases, ...vocabulary.words];
  const fitting = phrases.filter((phrase) => phrase.startsWith(begun) && phrase !== begun);
  return [...new Set(fitting)].slice(0, most);
}

/** `prompt` with its last, unfinished word completed. */
export function completed(prompt, phrase) {
  return `${prompt.replace(WORD_AT_END, "")}${phrase} `;
}
