// A small line plot as SVG: named axes with round steps, lines with holes, one marked place.

import { number } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 308, HEIGHT = 170;
const LEFT = 46, RIGHT = 8, TOP = 16, BOTTOM = 34; // around the lines, px
const STEPS = [1, 2, 2.5, 5, 10];

export function draw(kind, facts, ...children) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(facts)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Round numbers from `low` to `high`, about `count` of them. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * STEPS.find((s) => s * power >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, n) => (first + n) * step);
}

/** As many digits as tell two ticks apart, and no more; thousands as 12k. */
export function short(value, step) {
  if (Math.abs(value) >= 1e5) return value.toExponential(1).replace("e+", "e");
  const digits = step >= 1 ? 0 : Math.min(4, Math.ceil(-Math.log10(step)));
  return number(value, step === 2.5 ? 1 : digits);
}

function range(values) {
  const known = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...known, 0), Math.max(...known, 0)];
  return known.length && high > low ? [low, high + (high - low) * 0.05] : [0, 1];
}

function path(line, x, y) {
  let joins = false;
  return line.axis.map((at, n) => {
    const value = line.values[n];
    const was = joins;
    joins = Number.isFinite(value);
    return joins ? `${was ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}` : "";
  }).join("");
}

/**
 * Lines over one axis; `lines`: {axis, values, kind}, `names`: {across, up},
 * `mark`: a place on the axis, or null.
 */
export function plot(lines, names, mark) {
  const ends = lines.flatMap((line) => [line.axis[0], line.axis.at(-1)]);
  const [from, to] = [Math.min(...ends), Math.max(...ends)];
  const [low, high] = range(lines.flatMap((line) => line.values));
  const x = (at) => LEFT + ((at - from) / (to - from || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const parts = [];
  const ups = ticks(low, high, 3), alongs = ticks(from, to, 4);
  for (const value of ups)
    parts.push(draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "grid" }),
      draw("text", { x: LEFT - 5, y: y(value) + 4, class: "end" }, short(value, ups[1] - ups[0] || 1)));
  for (const at of alongs)
    parts.push(draw("line", { x1: x(at), x2: x(at), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4, class: "tick" }),
      draw("text", { x: x(at), y: HEIGHT - BOTTOM + 16, class: "middle" }, short(at, alongs[1] - alongs[0] || 1)));
  for (const line of lines) parts.push(draw("path", { class: line.kind, d: path(line, x, y) }));
  if (mark !== null) parts.push(draw("line", { x1: x(mark), x2: x(mark), y1: TOP, y2: HEIGHT - BOTTOM, class: "mark" }));
  parts.push(draw("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 3, class: "middle name" }, names.across),
    draw("text", { x: LEFT - 40, y: 10, class: "name" }, names.up));
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, ...parts);
}

/** Which value of `axis` lies under a share (0..1) of the drawn width. */
export function nearest(axis, share) {
  const at = (share * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT);
  const wanted = axis[0] + at * (axis.at(-1) - axis[0]);
  return axis.reduce((best, value, n) => (Math.abs(value - wanted) < Math.abs(axis[best] - wanted) ? n : best), 0);
}
