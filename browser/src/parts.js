/**
 * One part of a model, as `tools/browser/pack.py` wrote it, back in the form that ONNX Runtime
 * reads.
 *
 * The bytes are: the length of the graph (4 bytes, little-endian), the graph, then the weights in
 * float16, first the upper byte of every number, then the lower byte of every number. The two halves
 * are apart because the upper ones are alike, so gzip makes the file a tenth smaller.
 */

export const WEIGHTS_FILE = "weights";

/**
 * @param {Uint8Array} bytes
 * @returns {{graph: Uint8Array, weights: Float32Array}}
 */
export function unpackPart(bytes) {
  const graphLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const graph = bytes.slice(4, 4 + graphLength);
  const planes = bytes.subarray(4 + graphLength);
  const count = planes.length / 2;
  const table = float16Table();
  const weights = new Float32Array(count);
  for (let i = 0; i < count; i++) weights[i] = table[(planes[i] << 8) | planes[count + i]];
  return { graph, weights };
}

let float16Values;

/** Every float16 as a float32, by its 16 bits. */
function float16Table() {
  if (!float16Values) {
    float16Values = Float32Array.from({ length: 2 ** 16 }, (_, bits) => float16(bits));
  }
  return float16Values;
}

function float16(bits) {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
