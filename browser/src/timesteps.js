/**
 * Which timesteps a run visits, in the three spacings of diffusers (Table 2 of Lin et al. 2024,
 * arXiv:2305.08891). NumPy rounds halves to the even number, and so does `round` here.
 */

/** @returns {number[]} `count` numbers from `start` to `stop`, as `numpy.linspace` gives them */
export function linspace(start, stop, count) {
  const step = count > 1 ? (stop - start) / (count - 1) : 0;
  const values = Array.from({ length: count }, (_, i) => i * step + start);
  if (count > 1) values[count - 1] = stop;
  return values;
}

/** Multiples of a whole step from 0 on, latest first, `offset` added to each. */
export function leading(step, count, offset) {
  return Array.from({ length: count }, (_, i) => i * step + offset).reverse();
}

/** From the last timestep down in equal steps, as `numpy.arange(total, 0, -total / count)`. */
export function trailing(total, count) {
  const ratio = total / count;
  const step = total - ratio - total; // as NumPy has it, with the rounding of that subtraction
  const length = Math.ceil(-total / -ratio);
  return Array.from({ length }, (_, i) => round(total + i * step) - 1);
}

/** The nearest whole number; halves go to the even one. */
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
