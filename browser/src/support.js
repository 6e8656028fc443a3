/** Whether this browser can run a model, and what to do if not. */

const CURRENT = "Open it in a current Firefox, Chrome, Edge or Safari.";

/** @returns {string | null} one sentence on what is missing and one on what to do */
export function missingHere(scope = globalThis) {
  if (typeof scope.WebAssembly !== "object") {
    return (
      "This browser has no WebAssembly, with which the page computes; some switch it off in a " +
      `protected mode. ${CURRENT}`
    );
  }
  if (!scope.Worker) return `This browser has no workers, in which the page computes. ${CURRENT}`;
  if (!scope.DecompressionStream) {
    return `This browser cannot unpack the model's files, because it is too old. ${CURRENT}`;
  }
  return null;
}

/** Whether the page may compute on the graphics processor. */
export async function hasWebGPU(navigator = globalThis.navigator) {
  return Boolean(await navigator.gpu?.requestAdapter().catch(() => null));
}
