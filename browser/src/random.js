/**
 * The random numbers of PyTorch on the CPU, so that a seed here is that seed in a notebook.
 *
 * `torch.randn(shape, generator=torch.Generator().manual_seed(seed))` draws from a Mersenne twister
 * (Matsumoto and Nishimura 1998, doi:10.1145/272991.272995) and turns pairs of its uniform numbers
 * into normal ones by the Box-Muller transform. Which numbers form a pair depends on how many are
 * asked for: torch fills blocks of 16 where there are at least 16 numbers
 * (aten/src/ATen/native/cpu/DistributionTemplates.h, `normal_fill`), and draws one after the other
 * where there are fewer (aten/src/ATen/core/DistributionsHelper.h, `normal_distribution`).
 */

const STATE_SIZE = 624;
const SHIFT = 397;
const BLOCK = 16;
const TWO_PI = Math.fround(2 * Math.PI);

export class MersenneTwister {
  /** @param {number} seed a whole number from 0 to 2**32 - 1 */
  constructor(seed) {
    this.state = new Uint32Array(STATE_SIZE);
    this.state[0] = seed;
    for (let i = 1; i < STATE_SIZE; i++) {
      const previous = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, previous) + i;
    }
    this.position = STATE_SIZE;
  }

  /** The next whole number from 0 to 2**32 - 1. */
  next() {
    if (this.position === STATE_SIZE) this.#twist();
    let y = this.state[this.position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** A number from 0 up to 1 with 24 bits, as torch draws a float32. */
  uniform32() {
    return (this.next() & 0xffffff) / 2 ** 24;
  }

  /** A number from 0 up to 1 with 53 bits, as torch draws a float64. */
  uniform64() {
    const high = this.next() & 0x1fffff;
    return (high * 2 ** 32 + this.next()) / 2 ** 53;
  }

  #twist() {
    const { state } = this;
    for (let i = 0; i < STATE_SIZE; i++) {
      const next = state[(i + 1) % STATE_SIZE];
      const mixed = (state[i] & 0x80000000) | (next & 0x7fffffff);
      state[i] = state[(i + SHIFT) % STATE_SIZE] ^ (mixed >>> 1) ^ (next & 1 ? 0x9908b0df : 0);
    }
    this.position = 0;
  }
}

/**
 * What `torch.randn(count, generator=torch.Generator().manual_seed(seed))` gives, within about
 * 1e-6: torch takes its logarithms and cosines with approximations of the processor's own.
 *
 * @param {number} count
 * @param {bigint | number} seed at least 0; as in torch, only its lowest 32 bits count
 * @returns {Float32Array}
 */
export function randn(count, seed) {
  const generator = new MersenneTwister(Number(BigInt.asUintN(32, BigInt(seed))));
  return count < BLOCK ? oneByOne(count, generator) : inBlocks(count, generator);
}

function inBlocks(count, generator) {
  const values = Float32Array.from({ length: count }, () => generator.uniform32());
  const whole = count - (count % BLOCK);
  for (let start = 0; start < whole; start += BLOCK) toNormal(values, start);
  if (whole < count) {
    // The last 16 are drawn again, also those of them that were finished already.
    const start = count - BLOCK;
    for (let i = start; i < count; i++) values[i] = generator.uniform32();
    toNormal(values, start);
  }
  return values;
}

/** Box-Muller on 16 uniform numbers: number i forms a pair with number i + 8. */
function toNormal(values, start) {
  for (let i = start; i < start + BLOCK / 2; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
    const angle = Math.fround(TWO_PI * values[i + BLOCK / 2]);
    values[i] = radius * Math.cos(angle);
    values[i + BLOCK / 2] = radius * Math.sin(angle);
  }
}

function oneByOne(count, generator) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const angle = 2 * Math.PI * generator.uniform64();
    const radius = Math.sqrt(-2 * Math.log1p(-generator.uniform64()));
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
