// 3x3 matrices as nine numbers, rows first, acting on column vectors (x, y, 1).
// Pixel (0, 0) has its CENTRE at the origin, as everywhere in clemd.

export const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** Nine numbers from three rows; null where they are not nine finite numbers. */
export function fromRows(rows) {
  const flat = Array.isArray(rows) ? rows.flat() : [];
  return flat.length === 9 && flat.every(Number.isFinite) ? flat : null;
}

export function multiply(a, b) {
  const out = new Array(9).fill(0);
  for (let r = 0; r < 3; r++)
    for (let c = 0; c < 3; c++)
      for (let k = 0; k < 3; k++) out[3 * r + c] += a[3 * r + k] * b[3 * k + c];
  return out;
}

/** The matrix that undoes `m`; null where nothing does. */
export function invert(m) {
  const [a, b, c, d, e, f, g, h, i] = m;
  const A = e * i - f * h, B = f * g - d * i, C = d * h - e * g;
  const det = a * A + b * B + c * C;
  if (!Number.isFinite(det) || det === 0) return null;
  const adjugate = [A, c * h - b * i, b * f - c * e,
    B, a * i - c * g, c * d - a * f,
    C, b * g - a * h, a * e - b * d];
  return adjugate.map((value) => value / det);
}

/** Point (x, y) moved by `m`. */
export function apply(m, x, y) {
  const w = m[6] * x + m[7] * y + m[8];
  return [(m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w];
}

/** How many px one px becomes near (x, y): the root of the area ratio. */
export function scaleAt(m, x, y) {
  const [x0, y0] = apply(m, x, y);
  const [x1, y1] = apply(m, x + 1, y);
  const [x2, y2] = apply(m, x, y + 1);
  return Math.sqrt(Math.abs((x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)));
}

/** Columns first, as WebGL wants it. */
export function columns(m) {
  return [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]];
}
