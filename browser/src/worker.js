/** The worker's end of the line to `client.js`: one answer for each call, and news on the way. */

import { ReaderError } from "./download.js";
import { Painter } from "./painter.js";

const painter = new Painter(new URL("../", import.meta.url));

self.onmessage = async ({ data: { id, method, options } }) => {
  if (method === "stop") {
    painter.stop(options.id);
    return;
  }
  try {
    const tell = (news) => self.postMessage({ id, news });
    self.postMessage({ id, answer: await painter[method](options, tell, id) });
  } catch (error) {
    const isForReaders = error instanceof ReaderError;
    self.postMessage({ id, fault: isForReaders ? error.message : unexpected(error) });
  }
};

function unexpected(error) {
  return `The page failed: ${error.message ?? error}. Reload it, and report it if it happens again.`;
}
