// How warm the device was, what that cost the jobs, and the operator's word about it.

import { byId, clockTime, h, number } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 620, LEFT = 40, RIGHT = 52, TOP = 10;
const HEAT = 150, ROW = 18, GAP = 12; // heights, px
const SPANS = { "1 h": 3600, "12 h": 43200 };
const BROKEN_S = 30; // no line across a longer silence
const BLIND_S = 75; // for so long a look that saw nothing speaks: one a minute is kept
const HOLDS_S = 900;
const WISHES = { pause: "Pause 15 min", allow: "Allow 15 min", none: "Resume" };
const HINTS = {
  pause: "No work on the device; jobs wait",
  allow: "Jobs start although they were forecast to be slowed; the limit stays",
  none: "Heat decides again",
};

const seconds = (text) => Date.parse(text) / 1000;

function draw(kind, facts, ...children) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(facts)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

const isSeen = (reading) => Number.isFinite(reading.temperature_c);

/** Points as path data; a new piece after each silence, and after what saw nothing. */
function path(points) {
  let before = null;
  return points.map(([at, x, y]) => {
    const joins = before !== null && at - before < BROKEN_S;
    if (y === null) { before = null; return ""; }
    before = at;
    return `${joins ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");
}

/** [from, to, reason] of the times in which nothing was seen. */
function blindSpans(readings, now) {
  const spans = [];
  readings.forEach((r, n) => {
    if (isSeen(r)) return;
    const from = seconds(r.at), next = readings[n + 1];
    const to = Math.min(next ? seconds(next.at) : now, from + BLIND_S);
    const last = spans.at(-1);
    if (last && from - last[1] < 1 && last[2] === r.reason) last[1] = to;
    else spans.push([from, to, r.reason]);
  });
  return spans;
}

function blindness(spans, x, height) {
  const parts = [];
  let free = LEFT; // where the next word may begin
  for (const [from, to, reason] of spans) {
    const left = Math.max(LEFT, x(from)), wide = Math.max(2, x(to) - left);
    parts.push(draw("rect", { x: left, y: TOP, width: wide, height, class: "blind" },
      draw("title", {}, `${clockTime(from * 1000)} to ${clockTime(to * 1000)}: not seen${reason ? `, ${reason}` : ""}`)));
    if (wide < 52 || left < free) continue;
    parts.push(draw("text", { x: left + 4, y: TOP + 12, class: "blind" }, "not seen"));
    free = left + 52;
  }
  return parts;
}

function temperature(view, seen, x) {
  const values = seen.map((r) => r.temperature_c);
  const low = Math.floor((Math.min(...values, view.warm_c) - 4) / 10) * 10;
  const high = Math.ceil((Math.max(...values, view.hot_c) + 2) / 10) * 10;
  const y = (v) => TOP + HEAT - ((v - low) / (high - low)) * HEAT;
  const across = (v, kind) => draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v), class: kind });
  const word = (v, text, kind) => draw("text", { x: WIDTH - RIGHT + 6, y: y(v) + 4, class: kind }, text);
  const parts = [];
  for (let v = low; v <= high; v += high - low > 50 ? 20 : 10)
    parts.push(across(v, "grid"), draw("text", { x: LEFT - 6, y: y(v) + 4, class: "end" }, `${v} °C`));
  parts.push(across(view.warm_c, "warm"), word(view.warm_c, "warm", "warm"),
    across(view.hot_c, "hot"), word(view.hot_c, "limit", "hot"));
  for (const r of seen.filter((one) => one.throttle))
    parts.push(draw("rect", { x: x(seconds(r.at)) - 1, y: TOP, width: 2, height: HEAT, class: "slowed" },
      draw("title", {}, `${clockTime(r.at)}: the device slowed itself (${r.throttle})`)));
  parts.push(draw("path", { class: "heat", d: path(view.readings.map((r) => [seconds(r.at), x(seconds(r.at)), isSeen(r) ? y(r.temperature_c) : null])) }));
  return parts;
}

function duty(readings, x, top) {
  const y = (v) => top + ROW * (1 - v);
  const known = readings.filter((r) => Number.isFinite(r.duty));
  const parts = [draw("text", { x: LEFT - 6, y: top + ROW - 4, class: "end" }, "duty"),
    draw("rect", { x: LEFT, y: top, width: WIDTH - LEFT - RIGHT, height: ROW, class: "bed" })];
  known.forEach((r, n) => {
    const from = seconds(r.at), next = known[n + 1];
    const to = Math.min(next ? seconds(next.at) : from + 5, from + (isSeen(r) ? BROKEN_S : BLIND_S));
    parts.push(draw("rect", { x: x(from), y: y(r.duty), width: x(to) - x(from) + 0.4, height: ROW * r.duty, class: "duty" }));
  });
  return parts;
}

function jobs(spans, x, top) {
  const parts = [draw("text", { x: LEFT - 6, y: top + ROW - 4, class: "end" }, "jobs"),
    draw("rect", { x: LEFT, y: top, width: WIDTH - LEFT - RIGHT, height: ROW, class: "bed" })];
  for (const span of spans) {
    const from = Math.max(LEFT, x(seconds(span.started_at)));
    const wide = Math.max(2, x(seconds(span.ended_at)) - from);
    const paused = Math.min(1, span.paused_s / Math.max(0.01, span.paused_s + span.busy_s));
    const said = `${span.outcome} ${span.subject} on ${span.device}: worked ${number(span.busy_s, 1)} s, stood still ${number(span.paused_s, 1)} s`;
    parts.push(draw("g", { class: `job ${span.outcome}` }, draw("title", {}, said),
      draw("rect", { x: from, y: top, width: wide, height: ROW }),
      draw("rect", { x: from, y: top, width: wide, height: ROW * paused, class: "paused" })));
  }
  return parts;
}

function clock(from, to, x, y) {
  const step = to - from > 7200 ? 7200 : 900;
  const parts = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step)
    parts.push(draw("text", { x: x(at), y, class: "middle" }, clockTime(at * 1000).slice(0, 5)));
  return parts;
}

/** The timeline as one SVG, or a sentence where there is nothing to draw. */
export function timeline(view) {
  const seen = (view.readings || []).filter(isSeen);
  if (!view.readings?.length && !view.jobs?.length) return h("p.quiet", {}, "Nothing is kept of this time yet.");
  const from = seconds(view.since), to = seconds(view.now);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  let top = TOP;
  const parts = [];
  if (seen.length) {
    parts.push(...temperature(view, seen, x));
    top += HEAT + GAP;
  }
  parts.push(...duty(view.readings, x, top), ...jobs(view.jobs, x, top + ROW + GAP / 2));
  top += 2 * ROW + GAP / 2;
  parts.unshift(...blindness(blindSpans(view.readings, to), x, top - TOP));
  parts.push(...clock(from, to, x, top + 16));
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${top + 22}`, role: "img", "aria-label": "Temperature, duty and jobs over time" }, ...parts);
}

export class HeatPanel {
  constructor(feed, store) {
    this.feed = feed;
    this.store = store;
    this.span = SPANS["1 h"];
    this.view = null;
    const chip = byId("thermal");
    chip.addEventListener("click", () => this.turn(byId("heat").hidden));
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.turn(false); });
  }

  turn(open) {
    byId("heat").hidden = !open;
    byId("thermal").setAttribute("aria-expanded", String(open));
    if (open) { this.show(); this.take(); }
  }

  /** Ask for the timeline, where somebody looks at it. */
  async take() {
    if (byId("heat").hidden || document.hidden) return;
    const answer = await fetch(`/api/heat?since_s=${this.span}`).catch(() => null);
    if (!answer?.ok) return;
    this.view = await answer.json();
    this.show();
  }

  show() {
    if (byId("heat").hidden) return;
    const { thermal, verbs } = this.store;
    byId("heat-state").textContent = [thermal?.sensor, thermal?.reason].filter(Boolean).join(": ") || "No temperature is known.";
    byId("heat-line").replaceChildren(this.view ? timeline(this.view) : h("p.quiet", {}, "Loading…"));
    const choices = Object.entries(SPANS).map(([words, span]) => h("button", { type: "button", role: "radio",
      "aria-checked": String(span === this.span), onclick: () => { this.span = span; this.take(); } }, words));
    byId("heat-spans").replaceChildren(...choices);
    const offered = verbs.includes("thermal") ? Object.keys(WISHES) : [];
    byId("heat-wishes").replaceChildren(...offered.map((wish) => h("button", { type: "button", title: HINTS[wish],
      data: { wish }, disabled: wish === "none" && !thermal?.wish, "aria-pressed": String(thermal?.wish === wish),
      onclick: () => this.ask(wish) }, WISHES[wish])));
  }

  async ask(wish) {
    try {
      const said = await this.feed.command("thermal", { wish, seconds: HOLDS_S });
      byId("heat-said").textContent = said.message || "done";
    } catch (failed) {
      byId("heat-said").textContent = failed.message;
    }
  }
}
