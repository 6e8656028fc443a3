/** The page's end of the line to the worker, which computes while the page stays responsive. */

import { ReaderError } from "./download.js";

export class Client {
  #worker = null;
  #calls = new Map();
  #next = 1;

  /**
   * Ask the worker for something that its painter can do.
   *
   * @param {string} method a method of `Painter`
   * @param {object} options
   * @param {(news: object) => void} onNews
   * @returns {Promise<any> & {id: number}} the answer; `stop` takes its id
   */
  call(method, options, onNews = () => {}) {
    this.#worker ??= this.#start();
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject, onNews });
    });
    this.#worker.postMessage({ id, method, options });
    return Object.assign(answer, { id });
  }

  /** Let a picture that is being drawn end after its current step. */
  stop(id) {
    this.#worker?.postMessage({ method: "stop", options: { id } });
  }

  #start() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = (event) => this.#fail(event);
    return worker;
  }

  #receive({ id, news, answer, fault }) {
    const call = this.#calls.get(id);
    if (news) {
      call.onNews(news);
      return;
    }
    this.#calls.delete(id);
    if (fault) call.reject(new ReaderError(fault));
    else call.resolve(answer);
  }

  /** The worker itself broke, such as when memory ran out: every open call ends, none hangs. */
  #fail(event) {
    const reason = event.message ? ` (${event.message})` : "";
    const error = new ReaderError(
      `The page's worker could not run${reason}. Reload the page, in a current browser.`,
    );
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
    this.#worker?.terminate();
    this.#worker = null;
  }
}
