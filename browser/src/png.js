/** Text inside a PNG file, in the two forms that the PNG standard has for it. */

const SIGNATURE_AND_HEADER = 8 + 25;

/**
 * A copy of a PNG with texts in it.
 *
 * @param {Uint8Array} png
 * @param {Object<string, string>} texts by keyword; ASCII becomes a tEXt chunk, other text an iTXt
 */
export function withTexts(png, texts) {
  const chunks = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, text));
  const parts = [
    png.subarray(0, SIGNATURE_AND_HEADER),
    ...chunks,
    png.subarray(SIGNATURE_AND_HEADER),
  ];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function textChunk(keyword, text) {
  const encoder = new TextEncoder();
  const isAscii = [...text].every((c) => c.charCodeAt(0) < 128);
  if (isAscii) return chunk("tEXt", encoder.encode(`${keyword}\0${text}`));
  // No compression, no language, no translated keyword.
  return chunk("iTXt", encoder.encode(`${keyword}\0\0\0\0\0${text}`));
}

function chunk(type, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** The checksum of the PNG standard, appendix D. */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
