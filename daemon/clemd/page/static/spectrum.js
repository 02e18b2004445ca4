// The spectrum under the cursor, where an image of the pair has one in each point.
// One question at a time: while it is on its way, only the newest place is remembered.

import { byId, h, number } from "./dom.js";
import { nearest, plot } from "./plot.js";

const REST_MS = 60; // between an answer and the next question
const RADIUS_PX = 2; // around the place, averaged
const SIDES = { em: "EM", lm: "LM map" };

/** The place as whole px of a cube; null where it lies off what shows the specimen. */
function pixel(frame, point) {
  if (!frame?.frame?.spectrum || !point) return null;
  const [rows, columns] = frame.frame.shape;
  const [x, y] = point.map(Math.round);
  const height = rows - (frame.frame.info_bar_rows || 0);
  return x >= 0 && y >= 0 && x < columns && y < height ? [x, y] : null;
}

export class SpectrumPanel {
  constructor(feed, store) {
    this.feed = feed;
    this.store = store;
    this.frames = {}; // side -> the frame that has spectra
    this.wanted = null; // side -> px
    this.asked = ""; // the last question, as text
    this.busy = false;
    this.found = []; // {side, px, ...answer}
    this.kept = [];
    this.band = null; // which value of the axis is read out
    this.failed = "";
    byId("spectrum-keep").addEventListener("click", () => this.keep());
    const plotted = byId("spectrum-plot");
    plotted.addEventListener("keydown", (event) => this.key(event));
    plotted.addEventListener("pointermove", (event) => {
      const box = plotted.getBoundingClientRect();
      if (this.found.length) this.read(nearest(this.found[0].axis, (event.clientX - box.left) / box.width));
    });
  }

  /** Follow what is on screen; a pair without spectra hides the panel. */
  follow(about) {
    const frames = { em: about.emFrame, lm: about.lmFrame };
    const shown = Object.entries(frames).filter(([, frame]) => frame?.frame?.spectrum && this.store.verbs.includes("spectrum"));
    const same = JSON.stringify(shown.map(([side, frame]) => [side, frame.frame_id]));
    byId("spectrum").hidden = shown.length === 0;
    if (same === this.followed) return;
    this.followed = same;
    this.frames = Object.fromEntries(shown);
    Object.assign(this, { wanted: null, asked: "", found: [], kept: [], band: null, failed: "" });
    this.show();
  }

  get isOn() { return Object.keys(this.frames).length > 0; }

  get isEmpty() { return this.found.length === 0; }

  /** Ask for the spectra at a place: {em, lm}, px of each image or null. */
  at(place) {
    if (!this.isOn || this.feed.state !== "live") return;
    const entries = Object.entries(this.frames).map(([side, frame]) => [side, pixel(frame, place[side])]);
    const wanted = entries.filter(([, px]) => px);
    if (!wanted.length) return;
    this.wanted = wanted;
    this.ask();
  }

  async ask() {
    const text = JSON.stringify(this.wanted);
    if (this.busy || !this.wanted || text === this.asked) return;
    const { wanted, followed } = this;
    this.busy = true;
    this.asked = text;
    let found = [], failed = "";
    try {
      found = await Promise.all(wanted.map(async ([side, px]) => ({ side, ...await this.feed.command("spectrum",
        { frame_id: this.frames[side].frame_id, px, radius_px: RADIUS_PX }) })));
    } catch (error) {
      failed = error.message;
    }
    if (followed === this.followed) { // what was asked is still on screen
      if (found.length) this.found = found;
      this.failed = failed;
      this.show();
    }
    setTimeout(() => { this.busy = false; this.ask(); }, REST_MS);
  }

  /** Leave the lines that are shown where they are, to compare other places with them. */
  keep() {
    this.kept = this.kept.length ? [] : this.found;
    this.show();
  }

  key(event) {
    const { found } = this;
    if (!found.length) return;
    const last = found[0].axis.length - 1;
    const now = this.band ?? Math.round(last / 2);
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageDown: now - 10, PageUp: now + 10, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.read(Math.min(last, Math.max(0, to)));
  }

  read(band) {
    this.band = band;
    this.show();
  }

  show() {
    const { found, kept } = this;
    const holder = byId("spectrum-plot");
    byId("spectrum-keep").disabled = !found.length && !kept.length;
    byId("spectrum-keep").textContent = kept.length ? "Drop kept line" : "Keep line";
    byId("spectrum-keep").setAttribute("aria-pressed", String(kept.length > 0));
    byId("spectrum-where").textContent = this.failed || (found.length ? this.places()
      : "Move over the image. By keyboard: focus it and move it with the arrow keys; its middle counts.");
    holder.hidden = !found.length;
    if (!found.length) return;
    const [first] = found;
    const band = this.band === null || this.band >= first.axis.length ? null : this.band;
    const unit = first.unit ? ` (${first.unit})` : "";
    const lines = [...kept.map((one) => ({ ...one, kind: "kept" })), ...found.map((one) => ({ ...one, kind: one.side }))];
    holder.replaceChildren(plot(lines, { across: `${first.axis_name}${unit}`, up: first.values_name }, band === null ? null : first.axis[band]));
    const words = band === null ? this.peak(first) : this.value(band);
    holder.setAttribute("aria-valuemax", String(first.axis.length - 1));
    holder.setAttribute("aria-valuenow", String(band ?? 0));
    holder.setAttribute("aria-valuetext", words);
    byId("spectrum-read").textContent = words;
  }

  places() {
    const places = this.found.map((one) => `${SIDES[one.side]} ${one.px.map((v) => number(v, 0)).join(", ")} px`);
    return `${places.join(" · ")} · mean of ${this.found[0].pixels} px`;
  }

  value(band) {
    const [first] = this.found;
    const values = this.found.map((one) => `${this.found.length > 1 ? `${SIDES[one.side]} ` : ""}${said(one.values[band])}`);
    return `${said(first.axis[band])} ${first.unit}: ${values.join(" · ")}`;
  }

  peak(one) {
    const known = one.values.map((value, n) => [value, n]).filter(([value]) => Number.isFinite(value));
    if (!known.length) return "No value at this place";
    const [value, at] = known.reduce((best, next) => (next[0] > best[0] ? next : best));
    return `Largest at ${said(one.axis[at])} ${one.unit}: ${said(value)}`;
  }
}

const said = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(5))) : "no value");
