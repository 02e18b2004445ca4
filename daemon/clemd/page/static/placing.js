// By hand: the operator clicks the same spot in both images, a few times over. The pixels
// then say exactly where, and whether it is so; nothing clicked is ever shown as right.

import { byId, h, number } from "./dom.js";
import { similarityThrough } from "./points.js";

const ENOUGH = 2, BETTER = 3, MOST = 24;

export class Placing {
  constructor(viewer, { ask, changed }) {
    this.viewer = viewer;
    this.ask = ask;
    this.changed = changed;
    this.pair = null; // {em, lm}: the frames' ids
    this.rows = []; // [EM x, EM y, LM x, LM y]
    this.half = null; // the EM side of the next row
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && this.pair) this.stop(); });
  }

  get isOn() { return this.pair !== null; }

  get fit() { return similarityThrough(this.rows); }

  /** Which image the next click belongs to. */
  get turn() { return this.half ? "lm" : "em"; }

  start(about) {
    this.pair = { em: about.emFrame.frame_id, lm: about.lmFrame.frame_id };
    this.rows = [];
    this.half = null;
    this.viewer.onPick = (point) => this.pick(point);
    this.show();
  }

  stop() {
    this.pair = null;
    this.viewer.onPick = null;
    this.viewer.set({ base: "em" });
    this.changed();
  }

  /** A click in the image that stands upright, px of that image. */
  pick([x, y]) {
    const { em, lm } = this.viewer.scene;
    const image = this.turn === "em" ? em : lm;
    if (this.viewer.base !== this.turn || !image || this.rows.length >= MOST) return;
    if (x < -0.5 || y < -0.5 || x > image.width - 0.5 || y > image.height - 0.5) return;
    if (this.half) this.rows.push([...this.half, x, y]);
    this.half = this.half ? null : [x, y];
    this.show();
  }

  undo() {
    if (this.half) this.half = null;
    else this.rows.pop();
    this.show();
  }

  show() {
    this.changed();
    this.viewer.set({ mode: "overlay", base: this.turn });
    this.changed();
  }

  async send() {
    const { pair, rows } = this;
    this.stop();
    await this.ask("place", { em_frame_id: pair.em, lm_frame_id: pair.lm, points: rows });
  }

  /** What is drawn while points are chosen: the pair, laid as the points say. */
  scene(about) {
    const matrix = this.fit?.matrix || null;
    return { ...about, verdict: null, byHand: matrix !== null, scene: { ...about.scene, matrix, hatched: true } };
  }

  /** The points on the upright image: [x, y, number]. */
  marks() {
    const at = this.viewer.base === "em" ? 0 : 2;
    const known = this.rows.map((row, n) => [row[at], row[at + 1], n + 1]);
    if (this.half && at === 0) known.push([...this.half, this.rows.length + 1]);
    return known;
  }

  card() {
    const { rows, fit } = this;
    const nth = rows.length + 1;
    const words = this.half ? `Click the same spot in the LM map (point ${nth}).`
      : `Click something in the EM image that the LM map shows as well (point ${nth}).`;
    const far = fit ? Math.max(...fit.gaps) : 0;
    const said = rows.length < ENOUGH ? `${ENOUGH} points at least; ${BETTER} tell a mirror image, far apart is better.`
      : rows.length < BETTER ? "One more point tells a mirror image and a wrong click."
        : `The points miss each other by up to ${number(far, 1)} LM px${fit.mirrored ? "; the image is mirrored" : ""}.`;
    const press = (name, words, act, off) => h("button", { type: "button", data: { placing: name }, disabled: off, onclick: act }, words);
    return [
      h("div.stamp.predicted", {}, h("div", {}, h("h2", {}, "Place by hand"), h("p", { id: "placing-turn", role: "status" }, words))),
      h("p.said", { id: "placing-said" }, said),
      h("div.actions", {},
        press("undo", "Undo point", () => this.undo(), !rows.length && !this.half),
        press("send", "Register from here", () => this.send(), rows.length < ENOUGH || !fit),
        press("stop", "Cancel", () => this.stop(), false)),
    ];
  }

  showCard() {
    byId("verdict").replaceChildren(...this.card());
    byId("verdict").dataset.of = "placing";
  }
}
