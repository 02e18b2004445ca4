// The right side, second card: one row per layer, with colour, opacity and contrast.

import { byId, h } from "./dom.js";
import { percentiles } from "./textures.js";

const KINDS = { unknown: "", fluorescence: "fluor.", reflected: "refl.", transmitted: "trans." };

const toHex = (rgb) => `#${rgb.map((v) => Math.round(v * 255).toString(16).padStart(2, "0")).join("")}`;
const fromHex = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16) / 255);

export class LayerPanel {
  constructor(viewer, changed) {
    this.viewer = viewer;
    this.changed = changed;
    this.shown = "";
  }

  /** Find a contrast for every layer that has just arrived. Returns whether one changed. */
  measure(scene) {
    let found = false;
    for (const layer of [scene.em, ...(scene.lm?.channels || [])]) {
      if (!layer || layer.look.auto.has(layer.url)) continue;
      const counts = this.viewer.textures.known.get(layer.url)?.counts;
      if (!counts) continue;
      layer.look.auto.set(layer.url, percentiles(counts, ...layer.look.tail));
      found = true;
    }
    return found;
  }

  show(scene) {
    const sides = [...(scene.em ? [["em", scene.em]] : []),
      ...(scene.lm?.channels || []).map((channel) => ["lm", channel])];
    const mark = sides.map(([, l]) => `${l.url} ${this.viewer.textures.stateOf(l.url)} ${l.look.auto.has(l.url)}`).join();
    if (mark === this.shown) return;
    this.shown = mark;
    byId("layer-rows").replaceChildren(...sides.map(([side, layer]) => this.row(side, layer)));
    byId("layers").hidden = sides.length === 0;
  }

  row(side, layer) {
    const { look } = layer;
    const state = this.viewer.textures.stateOf(layer.url);
    const label = `${side.toUpperCase()} ${layer.name}`;
    const ranges = [0, 1].map((end) => h("input", { type: "range", min: "0", max: "255",
      value: String(Math.round(layer.range[end] * 255)), "aria-label": `${label}: ${end ? "white" : "black"} level`,
      oninput: () => this.contrast(look, ranges) }));
    return h("fieldset.layer", {}, h("legend", {}, label),
      h("div.line", {},
        h("label.name", {}, h("input", { type: "checkbox", checked: look.visible, "aria-label": `${label}: visible`,
          onchange: (e) => this.set(look, { visible: e.target.checked }) }),
        h("b", {}, side.toUpperCase()), " ", layer.name || "", h("i", { title: layer.kind }, KINDS[layer.kind] ?? layer.kind)),
        h("input.fade", { type: "range", min: "0", max: "100", title: "Opacity",
          value: String(Math.round(look.opacity * 100)), "aria-label": `${label}: opacity`,
          oninput: (e) => this.set(look, { opacity: e.target.value / 100 }) }),
        side === "lm" ? h("input", { type: "color", value: toHex(look.colour), "aria-label": `${label}: colour`,
          oninput: (e) => this.set(look, { colour: fromHex(e.target.value) }) }) : null),
      state === "missing" ? h("p.quiet", {}, "preview not there yet") : null,
      this.curve(layer),
      h("div.line.sliders", {}, h("span", {}, "Contrast"), ...ranges,
        h("button", { type: "button", title: "Choose by percentiles", "aria-label": `${label}: automatic contrast`,
          onclick: () => this.automatic(layer, ranges) }, "Auto")));
  }

  /** The histogram, root-scaled so that sparse labels can be seen. */
  curve(layer) {
    const counts = this.viewer.textures.known.get(layer.url)?.counts;
    const canvas = h("canvas.histogram", { width: 256, height: 28, "aria-hidden": "true" });
    if (!counts) return canvas;
    const context = canvas.getContext("2d");
    const top = Math.sqrt(Math.max(...counts.slice(1, 255), 1));
    context.fillStyle = toHex(layer.look.colour);
    counts.forEach((n, value) => {
      const tall = Math.min(28, (Math.sqrt(n) / top) * 26);
      context.fillRect(value, 28 - tall, 1, tall);
    });
    return canvas;
  }

  contrast(look, [low, high]) {
    const [from, to] = [Number(low.value), Number(high.value)];
    this.set(look, { range: [Math.min(from, to - 1) / 255, Math.max(to, from + 1) / 255] });
  }

  automatic(layer, ranges) {
    this.set(layer.look, { range: null });
    const found = layer.look.auto.get(layer.url) || [0, 1];
    ranges.forEach((input, end) => { input.value = String(Math.round(found[end] * 255)); });
  }

  set(look, changes) {
    Object.assign(look, changes);
    this.changed();
  }
}
