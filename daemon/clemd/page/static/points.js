// A similarity through pairs of points, by least squares: what `geometry` does in Python,
// so that the operator sees at once what the points say.

import { apply } from "./matrix.js";

const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
const minus = ([a, b], [c, d]) => [a - c, b - d];
const middle = (points) => points.reduce(([a, b], [c, d]) => [a + c / points.length, b + d / points.length], [0, 0]);

/** w = a z + b over complex z, w; with z conjugated for a mirror image. */
function fitted(rows, mirrored) {
  const first = rows.map(([x, y]) => [x, mirrored ? -y : y]);
  const second = rows.map(([, , x, y]) => [x, y]);
  const [zm, wm] = [middle(first), middle(second)];
  let top = [0, 0], spread = 0;
  first.forEach((z, n) => {
    const [dx, dy] = minus(z, zm);
    const [px, py] = times([dx, -dy], minus(second[n], wm));
    top = [top[0] + px, top[1] + py];
    spread += dx * dx + dy * dy;
  });
  if (!(spread > 1e-9)) return null;
  const a = [top[0] / spread, top[1] / spread];
  const b = minus(wm, times(a, zm));
  const sign = mirrored ? -1 : 1;
  const matrix = [a[0], -sign * a[1], b[0], a[1], sign * a[0], b[1], 0, 0, 1];
  if (!(a[0] ** 2 + a[1] ** 2 > 1e-12)) return null;
  const gaps = rows.map(([x, y, u, v]) => Math.hypot(...minus(apply(matrix, x, y), [u, v])));
  return { matrix, mirrored, gaps, missed: gaps.reduce((sum, gap) => sum + gap * gap, 0) };
}

/** {matrix, mirrored, gaps} of rows [EM x, EM y, LM x, LM y]; null where they decide
    nothing. Three points tell a mirror image; two are not taken for one. */
export function similarityThrough(rows) {
  if (rows.length < 2) return null;
  const plain = fitted(rows, false);
  const mirror = rows.length > 2 ? fitted(rows, true) : null;
  return mirror && plain && mirror.missed < plain.missed ? mirror : plain;
}
