/** One for each page: the models it may use, loading with progress, one picture after the other. */

import { Client } from "./client.js";
import { Downloads } from "./download.js";
import { threadsHere } from "./runtime.js";

export class Studio {
  #client = new Client();
  #turn = Promise.resolve();
  #current = null;

  /** @param {URL} base the folder with family.json's files */
  constructor(base) {
    this.downloads = new Downloads(base);
  }

  /** The models, the vocabulary and the files, as family.json lists them. */
  async family() {
    this.familyPromise ??= this.downloads.family();
    try {
      return await this.familyPromise;
    } catch (error) {
      this.familyPromise = null; // the next try asks again
      throw error;
    }
  }

  /** Bytes that are still to be fetched before a model draws. */
  missing(model, provider = "wasm") {
    return this.#client.call("missing", { model, provider });
  }

  /**
   * Draw when it is this picture's turn. A picture that waits or is being drawn for the same
   * `owner` is dropped.
   *
   * @param {object} owner who asks
   * @param {object} settings checked ones, with `provider` and `preview_every`
   * @param {{onLoad: Function, onStep: Function}} listener
   * @returns {Promise<object | null>} the finished picture; null if it was dropped or stopped
   */
  async draw(owner, settings, { onLoad = () => {}, onStep = () => {} }) {
    return this.#inTurn(owner, async (isWanted) => {
      await this.#load(settings, onLoad);
      if (!isWanted()) return null;
      const call = this.#client.call("draw", settings, onStep);
      this.#current = { owner, id: call.id };
      const drawn = await call;
      return drawn.stopped ? null : drawn;
    });
  }

  /** The picture that a model's decoder makes of latents. */
  async decode(owner, settings, latents, { onLoad = () => {} } = {}) {
    return this.#inTurn(owner, async (isWanted) => {
      await this.#load(settings, onLoad);
      return isWanted() ? this.#client.call("decode", { latents }) : null;
    });
  }

  /** Drop what `owner` asked for. */
  stop(owner) {
    owner.ticket = Symbol("stopped");
    if (this.#current?.owner === owner) this.#client.stop(this.#current.id);
  }

  #inTurn(owner, work) {
    this.stop(owner);
    const { ticket } = owner;
    const isWanted = () => owner.ticket === ticket;
    const answer = this.#turn.then(() => (isWanted() ? work(isWanted) : null));
    this.#turn = answer.catch(() => null);
    return answer;
  }

  #load({ model, provider = "wasm", threads = threadsHere() }, onLoad) {
    return this.#client.call("load", { model, provider, threads }, onLoad);
  }
}
