// What is drawn over the picture: the EM field, the error circle, the scale bar.

import { apply, invert } from "./matrix.js";
import { byId, length, number } from "./dom.js";
import { errorOf } from "./scene.js";

const STEPS = [1, 2, 5, 10];
const LIKED_WIDTH = 150; // CSS px

/** A round length of about `LIKED_WIDTH` CSS px; `per` = units per CSS px. */
export function roundLength(per) {
  const rough = per * LIKED_WIDTH;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.filter((s) => s * power <= rough).pop() || 1;
  return step * power;
}

export class Marks {
  constructor(canvas, viewer) {
    this.canvas = canvas;
    this.viewer = viewer;
    this.about = null;
    this.placing = null;
  }

  draw() {
    const { viewer, canvas } = this;
    const context = canvas.getContext("2d");
    if (canvas.width !== viewer.canvas.width || canvas.height !== viewer.canvas.height) {
      canvas.width = viewer.canvas.width;
      canvas.height = viewer.canvas.height;
    }
    context.setTransform(viewer.ratio, 0, 0, viewer.ratio, 0, 0);
    context.clearRect(0, 0, viewer.width, viewer.height);
    if (!this.about) return;
    this.drawField(context);
    this.drawCircle(context);
    this.drawGlass(context);
    if (this.placing?.isOn) this.drawPoints(context);
    this.drawBar();
  }

  /** Outline of the EM image, edges of its outermost pixels. */
  drawField(context) {
    const { viewer } = this;
    const { em, lm } = viewer.scene;
    const across = viewer.worldToEm();
    const back = across && invert(across);
    if (!em || !lm || !back) return;
    const corners = [[-0.5, -0.5], [em.width - 0.5, -0.5],
      [em.width - 0.5, em.height - 0.5], [-0.5, em.height - 0.5]];
    context.beginPath();
    corners.forEach(([x, y], n) => {
      const at = viewer.toScreen(...apply(back, x, y));
      if (n) context.lineTo(...at); else context.moveTo(...at);
    });
    context.closePath();
    context.strokeStyle = "rgba(210, 222, 235, 0.55)";
    context.lineWidth = 1;
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
  }

  /** The true place of what is under the cursor lies inside, 95 times of 100. */
  drawCircle(context) {
    const { viewer } = this;
    const error = errorOf(this.about);
    if (!error) return;
    const radius = (viewer.base === "em" ? error.emPx : error.lmPx) * viewer.view.scale;
    const [x, y] = viewer.cursor || [viewer.width - 70, viewer.height - 70];
    if (!viewer.cursor && radius > 60) return;
    for (const [width, colour] of [[3.5, "rgba(0,0,0,.65)"], [1.5, "#ffd75e"]]) {
      context.beginPath();
      context.arc(x, y, Math.max(radius, 1.5), 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    }
    if (viewer.cursor) return;
    this.label(context, `95 % ± ${error.um === null ? `${number(error.lmPx, 2)} LM px` : length(error.um)}`,
      x + 56, y + Math.max(radius, 2) + 20);
  }

  label(context, text, right, y) {
    context.font = "500 12px system-ui, sans-serif";
    context.textAlign = "right";
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0,0,0,.8)";
    context.strokeText(text, right, y);
    context.fillStyle = "#ffe9a8";
    context.fillText(text, right, y);
  }

  /** What was clicked in the image that stands upright. */
  drawPoints(context) {
    for (const [x, y, n] of this.placing.marks()) {
      const [sx, sy] = this.viewer.toScreen(x, y);
      this.stroke(context, "#6cb6f2", () => {
        context.arc(sx, sy, 7, 0, 2 * Math.PI);
        this.cross(context, sx, sy, 11);
      });
      this.label(context, String(n), sx + 20, sy - 8);
    }
  }

  /** The middle of the view, where that is what is looked at. */
  drawCross(isOn) {
    if (!isOn) return;
    const context = this.canvas.getContext("2d");
    const [x, y] = [this.viewer.width / 2, this.viewer.height / 2];
    this.stroke(context, "#ffd75e", () => this.cross(context, x, y, 9));
  }

  cross(context, x, y, arm) {
    context.moveTo(x - arm, y);
    context.lineTo(x + arm, y);
    context.moveTo(x, y - arm);
    context.lineTo(x, y + arm);
  }

  /** Seen on dark and on bright images alike: a thin line on a wider dark one. */
  stroke(context, colour, trace) {
    for (const [width, style] of [[3.5, "rgba(0,0,0,.65)"], [1.5, colour]]) {
      context.beginPath();
      trace();
      context.lineWidth = width;
      context.strokeStyle = style;
      context.stroke();
    }
  }

  drawGlass(context) {
    const { viewer } = this;
    if (viewer.mode !== "spyglass" || !viewer.cursor) return;
    context.beginPath();
    context.arc(...viewer.cursor, 120, 0, 2 * Math.PI);
    context.strokeStyle = "rgba(210, 222, 235, .8)";
    context.lineWidth = 1.5;
    context.stroke();
  }

  drawBar() {
    const { viewer } = this;
    const size = viewer.base === "em" ? this.about.emPixel : this.about.lmPixel;
    const per = (size ? size[0] : 1) / viewer.view.scale;
    const nice = roundLength(per);
    byId("scale-text").textContent = size ? length(nice) : `${number(nice, nice < 1 ? 2 : 0)} px`;
    byId("scale-bar").querySelector("i").style.width = `${nice / per}px`;
  }
}
