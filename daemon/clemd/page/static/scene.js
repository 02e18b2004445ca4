// From what is chosen to what is drawn: which layers, how they look, which matrix.
// The rule that matters most lives here: a rejected result has no matrix to draw with.

import { fromRows, scaleAt } from "./matrix.js";
import { layersOf, pixelSizeOf } from "./store.js";

const PALETTE = [[1, 0.31, 0.85], [0.3, 0.9, 0.42], [1, 0.85, 0.2], [1, 0.5, 0.2], [0.5, 0.6, 1]];
const STRUCTURE = [0.35, 0.85, 0.95]; // channels that carry structure rather than labels
const LABELS = new Set(["fluorescence", "spectral"]);

/** How the operator wants to see each kind of layer; outlives single images. */
export class Looks {
  constructor() { this.known = new Map(); }

  of(side, layer, siblings = []) {
    const name = `${side}|${layer.channel}|${layer.name}`;
    if (!this.known.has(name)) this.known.set(name, firstLook(side, layer, siblings));
    return this.known.get(name);
  }

  /** The layer with its look; the contrast is its own unless it was set by hand. */
  dress(side, layer, siblings) {
    const look = this.of(side, layer, siblings);
    return { ...layer, look, visible: look.visible, opacity: look.opacity, colour: look.colour,
      range: look.range || look.auto.get(layer.url) || [0, 1] };
  }
}

function firstLook(side, layer, siblings) {
  const labels = siblings.filter((one) => LABELS.has(one.kind));
  const isLabel = LABELS.has(layer.kind) || (layer.kind === "unknown" && layer.channel > 0);
  const nth = Math.max(0, labels.findIndex((one) => one.channel === layer.channel));
  return {
    visible: true,
    // a structural channel veils the EM image when labels are there to be seen
    opacity: side === "lm" && !isLabel && labels.length ? 0.35 : 1,
    colour: side === "em" ? [1, 1, 1] : isLabel ? PALETTE[nth % PALETTE.length] : STRUCTURE,
    range: null,
    auto: new Map(), // url -> contrast found from the histogram
    tail: isLabel ? [0.02, 0.998] : [0.003, 0.997],
  };
}

/** Everything about the chosen result or lone image that the view and panels need. */
export function describe(store, chosen, looks) {
  const result = chosen.registration
    ? store.registrations.find((one) => one.registration_id === chosen.registration) : null;
  const emFrame = store.frame(result ? result.em_frame_id : chosen.em);
  const lmFrame = store.frame(result ? result.lm_frame_id : chosen.lm);
  const verdict = result?.verdict || null;
  const found = result?.registration || {};
  // not a matter of taste: what is rejected is never laid over anything
  const shown = verdict === "accepted" || verdict === "review" || verdict === "predicted";
  const matrix = shown ? fromRows(found.em_to_lm) : null;
  const em = emFrame && looks.dress("em", layersOf(emFrame)[0]);
  const lmLayers = lmFrame ? layersOf(lmFrame) : [];
  const lm = lmFrame && { key: lmFrame.frame_id, width: lmLayers[0].width, height: lmLayers[0].height,
    channels: lmLayers.map((one) => looks.dress("lm", one, lmLayers)) };
  return { result, verdict, found, emFrame, lmFrame,
    emPixel: pixelSizeOf(emFrame), lmPixel: pixelSizeOf(lmFrame),
    scene: { em: em || null, lm: lm || null, matrix, hatched: verdict === "review" || verdict === "predicted" } };
}

/** 95 % error radius in EM px, LM px and µm; null where nothing is claimed. */
export function errorOf(about) {
  const { found, scene } = about;
  const lmPx = found.error_lm_px?.p95;
  if (!scene.matrix || !Number.isFinite(lmPx)) return null;
  const { width, height } = scene.em || { width: 1, height: 1 };
  const perEm = scaleAt(scene.matrix, width / 2, height / 2);
  return { lmPx, emPx: lmPx / perEm, um: found.error_um?.p95 ?? null };
}
