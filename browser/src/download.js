/**
 * Files of the page's folder: fetched with a count of what has arrived, kept in the browser, and
 * unpacked.
 *
 * A file's name holds a part of its checksum, so a name never changes its content, and what is kept
 * is right for as long as `family.json` names it. Files are gzip streams under the name `.bin`, so
 * that no server unpacks them on the way, and gzip's own checksum tells what arrived damaged.
 */

const KEPT = "stickers";

/** An error with a sentence for the reader: what happened, and what to do next. */
export class ReaderError extends Error {}

export class Downloads {
  /** @param {URL} base the folder that file names are relative to */
  constructor(base) {
    this.base = base;
  }

  /** @returns {Promise<object>} the list of models, their files and sizes */
  async family() {
    const response = await this.#fetch("models/family.json");
    return response.json();
  }

  /** @returns {Promise<number>} bytes of those `files` that the browser does not have yet */
  async missing(files) {
    const kept = await this.#kept();
    const sizes = files.map(async ({ file, bytes }) =>
      (await kept?.match(this.#address(file))) ? 0 : bytes,
    );
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * One file, unpacked.
   *
   * @param {{file: string, bytes: number}} wanted
   * @param {(bytes: number) => void} onArrival told of each piece that comes over the network
   * @returns {Promise<Uint8Array>}
   */
  async unpacked(wanted, onArrival) {
    const kept = await this.#kept();
    const address = this.#address(wanted.file);
    const found = await kept?.match(address);
    if (found) return gunzip(new Uint8Array(await found.arrayBuffer()), wanted.file);
    const packed = await this.#packed(wanted, onArrival);
    const content = await gunzip(packed, wanted.file);
    // Where the browser has no room left it is fetched again next time.
    await kept?.put(address, new Response(packed)).catch(() => undefined);
    return content;
  }

  /** Let go of kept files that `family` no longer names. */
  async forgetAllBut(files) {
    const kept = await this.#kept();
    const wanted = new Set(files.map(({ file }) => this.#address(file)));
    for (const request of (await kept?.keys()) ?? []) {
      const isOurs = request.url.startsWith(this.base.href);
      if (isOurs && !wanted.has(request.url)) await kept.delete(request);
    }
  }

  async #packed({ file, bytes }, onArrival) {
    const response = await this.#fetch(file);
    const packed = new Uint8Array(bytes);
    let received = 0;
    try {
      for (const reader = response.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        if (received + value.length > bytes) throw new RangeError("longer than announced");
        packed.set(value, received);
        received += value.length;
        onArrival(value.length);
      }
    } catch (error) {
      if (error instanceof RangeError) throw damaged(file);
      throw cut(file, received, bytes);
    }
    if (received < bytes) throw cut(file, received, bytes);
    return packed;
  }

  async #fetch(file) {
    let response;
    try {
      response = await fetch(this.#address(file));
    } catch {
      throw new ReaderError(
        `The file ${file} did not arrive. Check the connection, then reload the page.`,
      );
    }
    if (!response.ok) {
      throw new ReaderError(
        `The file ${file} is not where this page looks for it (status ${response.status}). ` +
          "Reload the page; if that does not help, the site has to be built again.",
      );
    }
    return response;
  }

  /** The browser's store for this page; none where the page is not served securely. */
  async #kept() {
    return globalThis.caches?.open(KEPT).catch(() => undefined);
  }

  #address(file) {
    return new URL(file, this.base).href;
  }
}

async function gunzip(packed, file) {
  try {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw damaged(file);
  }
}

function cut(file, received, bytes) {
  const part = `${megabytes(received)} of ${megabytes(bytes)} MB`;
  return new ReaderError(
    `The file ${file} arrived cut, ${part} of it. Press the button again to fetch it anew.`,
  );
}

function damaged(file) {
  return new ReaderError(
    `The file ${file} arrived damaged. Reload the page and press the button again.`,
  );
}

/** @returns {string} with one decimal, as the page shows sizes */
export function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}
