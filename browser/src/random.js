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

/** `torch.Generator().manual_seed(seed)`; its numbers agree with torch's within about 1e-6. */
export class Generator {
  /** @param {bigint | number} seed at least 0; as in torch, only its lowest 32 bits count */
  constructor(seed) {
    this.twister = new MersenneTwister(Number(BigInt.asUintN(32, BigInt(seed))));
    this.spare = null;
  }

  /**
   * What `torch.randn(count, generator=generator)` gives next. torch takes its logarithms and
   * cosines with approximations of the processor's own, so the last bits differ.
   *
   * @returns {Float32Array}
   */
  randn(count) {
    return count < BLOCK ? this.#oneByOne(count) : this.#inBlocks(count);
  }

  #inBlocks(count) {
    const values = Float32Array.from({ length: count }, () => this.twister.uniform32());
    const whole = count - (count % BLOCK);
    for (let start = 0; start < whole; start += BLOCK) toNormal(values, start);
    if (whole < count) {
      // The last 16 are drawn again, also those of them that were finished already.
      const start = count - BLOCK;
      for (let i = start; i < count; i++) values[i] = this.twister.uniform32();
      toNormal(values, start);
    }
    return values;
  }

  /** Numbers come in pairs; the second of a pair waits, if need be for the next call. */
  #oneByOne(count) {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      if (this.spare !== null) {
        values[i] = this.spare;
        this.spare = null;
        continue;
      }
      const angle = 2 * Math.PI * this.twister.uniform64();
      const radius = Math.sqrt(-2 * Math.log1p(-this.twister.uniform64()));
      values[i] = radius * Math.cos(angle);
      this.spare = radius * Math.sin(angle);
    }
    return values;
  }
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
