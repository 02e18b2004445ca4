// Buttons above the picture, the curtain, and the keyboard: every one has a key.

import { byId, h, number } from "./dom.js";

const MODES = [["overlay", "Overlay", "O"], ["blink", "Blink", "B"], ["curtain", "Curtain", "C"],
  ["checker", "Checker", "K"], ["spyglass", "Spyglass", "S"]];
const BASES = [["em", "EM"], ["lm", "LM map"]];
const STEP = 60; // CSS px per arrow key

export class Tools {
  constructor(viewer, { step, refresh }) {
    this.viewer = viewer;
    this.step = step;
    this.refresh = refresh;
    byId("modes").append(...MODES.map(([mode, words, key]) => this.choice("mode", mode, words, `${words} (${key})`)));
    byId("bases").append(...BASES.map(([base, words]) => this.choice("base", base, words, `Keep ${words} upright (M)`)));
    byId("opacity").addEventListener("input", (e) => this.set({ opacity: e.target.value / 100 }));
    byId("fit").addEventListener("click", () => viewer.fit());
    byId("zoom-in").addEventListener("click", () => viewer.zoom(1.4));
    byId("zoom-out").addEventListener("click", () => viewer.zoom(1 / 1.4));
    this.holdCurtain(byId("curtain"));
    document.addEventListener("keydown", (event) => this.key(event));
    this.show();
  }

  choice(what, value, words, title) {
    return h("button", { type: "button", role: "radio", title, data: { [what]: value },
      onclick: () => this.set({ [what]: value }) }, words);
  }

  set(changes) {
    this.viewer.set(changes);
    this.show();
    this.refresh();
  }

  show() {
    const { mode, base, opacity, split } = this.viewer;
    for (const one of document.querySelectorAll("[data-mode]")) mark(one, one.dataset.mode === mode);
    for (const one of document.querySelectorAll("[data-base]")) mark(one, one.dataset.base === base);
    byId("opacity").value = String(Math.round(opacity * 100));
    byId("opacity").disabled = mode !== "overlay";
    byId("opacity-text").textContent = `${Math.round(opacity * 100)} %`;
    const curtain = byId("curtain");
    curtain.hidden = mode !== "curtain" || !this.viewer.scene.lm;
    curtain.style.left = `${split * 100}%`;
    curtain.setAttribute("aria-valuenow", String(Math.round(split * 100)));
  }

  showZoom() {
    const { scale } = this.viewer.view;
    byId("zoom-text").textContent = `${number(scale * 100, scale < 0.1 ? 1 : 0)} %`;
  }

  holdCurtain(handle) {
    const follow = (event) => {
      const box = byId("port").getBoundingClientRect();
      this.set({ split: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) });
    };
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      handle.focus();
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) follow(event);
    });
    handle.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      this.set({ split: Math.min(1, Math.max(0, this.viewer.split + by)) });
    });
  }

  key(event) {
    const typing = event.target.matches?.("input, select, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key.startsWith("Arrow"))) return;
    const { viewer } = this;
    const toggled = (mode) => ({ mode: viewer.mode === mode ? "overlay" : mode });
    const nudge = (by) => ({ opacity: Math.min(1, Math.max(0, viewer.opacity + by)) });
    const acts = {
      o: () => this.set({ mode: "overlay" }), b: () => this.set(toggled("blink")),
      c: () => this.set(toggled("curtain")), k: () => this.set(toggled("checker")),
      s: () => this.set(toggled("spyglass")), m: () => this.set({ base: viewer.base === "em" ? "lm" : "em" }),
      f: () => viewer.fit(), "+": () => viewer.zoom(1.25), "=": () => viewer.zoom(1.25), "-": () => viewer.zoom(0.8),
      "[": () => this.set(nudge(-0.05)), "]": () => this.set(nudge(0.05)),
      n: () => this.step(1), p: () => this.step(-1),
    };
    if (event.target === viewer.canvas) Object.assign(acts, {
      ArrowLeft: () => viewer.pan(STEP, 0), ArrowRight: () => viewer.pan(-STEP, 0),
      ArrowUp: () => viewer.pan(0, STEP), ArrowDown: () => viewer.pan(0, -STEP) });
    const act = acts[event.key] || acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

function mark(button, isOn) {
  button.setAttribute("aria-checked", String(isOn));
}
