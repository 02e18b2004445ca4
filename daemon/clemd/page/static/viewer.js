// The overlay: textures on the graphics card, placed by nine numbers in a shader, so that
// a new matrix moves the picture at once. Nothing here knows about messages or panels.

import { IDENTITY, apply, columns, invert, scaleAt } from "./matrix.js";
import { FRAGMENT, MODES, MOST_CHANNELS, VERTEX } from "./shaders.js";
import { Textures } from "./textures.js";

const BLINK_MS = 450; // below three flashes a second
const NEAREST = 64; // CSS px per world px
const GLASS_RADIUS = 120; // CSS px
const TILE = 96; // CSS px
const DRAG = 4; // CSS px: a press that moves less is a click

/** Thrown when this browser cannot draw. */
export class NoWebGL extends Error {}

export class Viewer {
  /** `scene` facts: {em: layer|null, lm: {width, height, channels: [layer]}|null, matrix, hatched}. */
  constructor(canvas, { onChange, onCursor }) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.onCursor = onCursor;
    const options = { antialias: false, alpha: false, preserveDrawingBuffer: true };
    this.gl = canvas.getContext("webgl2", options);
    if (!this.gl) throw new NoWebGL();
    this.scene = { em: null, lm: null, matrix: null, hatched: false };
    this.view = { x: 0, y: 0, scale: 1 }; // world px at the middle; CSS px per world px
    this.mode = "overlay";
    this.base = "em";
    this.opacity = 0.85;
    this.split = 0.5;
    this.showLight = false;
    this.cursor = null; // CSS px
    this.onPick = null; // called with the upright image's px of a click
    this.fitted = true;
    this.prepare();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.prepare(); this.redraw(); });
    new ResizeObserver(() => this.resize()).observe(canvas);
    setInterval(() => this.beat(), BLINK_MS);
    this.listen();
    this.resize();
  }

  prepare() {
    const gl = this.gl;
    this.program = build(gl, VERTEX, FRAGMENT);
    gl.useProgram(this.program);
    this.places = new Map();
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    const corners = new Float32Array([-1, -1, 3, -1, -1, 3]);
    gl.bufferData(gl.ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.textures = new Textures(gl, { changed: () => { this.redraw(); this.onChange(); } });
  }

  // -- what is shown -----------------------------------------------------------------

  /** Show another scene; the view is kept while the base image stays the same. */
  show(scene) {
    const before = this.frameKey();
    this.scene = scene;
    if (this.frameKey() !== before) this.fit();
    this.redraw();
  }

  set(changes) {
    const { base } = this;
    Object.assign(this, changes);
    if (this.base !== base) this.carryOver(base);
    this.redraw();
  }

  /** On a change of base keep looking at the same spot, where that is known. */
  carryOver(base) {
    const { matrix } = this.scene;
    const across = matrix && (base === "em" ? matrix : invert(matrix));
    if (!across) return this.fit();
    const { x, y, scale } = this.view;
    const [nx, ny] = apply(across, x, y);
    this.view = { x: nx, y: ny, scale: scale / scaleAt(across, x, y) };
    this.clampScale();
    this.fitted = false;
  }

  frameKey() {
    const { em, lm } = this.scene;
    const world = this.base === "em" ? em : lm;
    return `${this.base} ${world?.key} ${world?.width} ${world?.height}`;
  }

  /** Size of the upright image, px. */
  worldSize() {
    const world = (this.base === "em" ? this.scene.em : this.scene.lm) || this.scene.em || this.scene.lm;
    return world ? [world.width, world.height] : [1, 1];
  }

  worldToEm() {
    if (this.base === "em") return IDENTITY;
    return this.scene.matrix && invert(this.scene.matrix);
  }

  worldToLm() { return this.base === "lm" ? IDENTITY : this.scene.matrix; }

  // -- coordinates -------------------------------------------------------------------

  /** CSS px in the canvas -> world px; pixel centres lie on whole numbers. */
  toWorld(cx, cy) {
    const { x, y, scale } = this.view;
    return [x + (cx - this.width / 2) / scale, y + (cy - this.height / 2) / scale];
  }

  toScreen(wx, wy) {
    const { x, y, scale } = this.view;
    return [(wx - x) * scale + this.width / 2, (wy - y) * scale + this.height / 2];
  }

  /** Both images' px under a point of the canvas; null where unknown. */
  coordinates(cx, cy) {
    const [wx, wy] = this.toWorld(cx, cy);
    const at = (m) => (m ? apply(m, wx, wy) : null);
    return { em: this.scene.em && at(this.worldToEm()), lm: this.scene.lm && at(this.worldToLm()) };
  }

  // -- moving about ------------------------------------------------------------------

  fit() {
    const [w, h] = this.worldSize();
    const scale = Math.min(this.width / w, this.height / h) * 0.94;
    this.view = { x: (w - 1) / 2, y: (h - 1) / 2, scale: scale || 1 };
    this.fitted = true;
    this.redraw();
  }

  pan(dx, dy) {
    this.view.x -= dx / this.view.scale;
    this.view.y -= dy / this.view.scale;
    this.fitted = false;
    this.redraw();
  }

  /** Zoom so that the point (cx, cy) stays where it is. */
  zoom(factor, cx = this.width / 2, cy = this.height / 2) {
    const [wx, wy] = this.toWorld(cx, cy);
    this.view.scale *= factor;
    this.clampScale();
    this.view.x = wx - (cx - this.width / 2) / this.view.scale;
    this.view.y = wy - (cy - this.height / 2) / this.view.scale;
    this.fitted = false;
    this.redraw();
  }

  clampScale() {
    const [w, h] = this.worldSize();
    const farthest = Math.min(this.width / w, this.height / h) / 8;
    this.view.scale = Math.min(NEAREST, Math.max(farthest || 1e-3, this.view.scale));
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(box.width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(box.height * this.ratio));
    this.width = this.canvas.width / this.ratio; // CSS px, of whole device px
    this.height = this.canvas.height / this.ratio;
    if (this.fitted) this.fit();
    this.draw();
  }

  listen() {
    const canvas = this.canvas;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let held = null, began = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      held = began = place(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      const here = place(event);
      if (held) this.pan(here[0] - held[0], here[1] - held[1]);
      if (held) held = here;
      this.point(here);
    });
    const release = () => { held = began = null; };
    canvas.addEventListener("pointerup", (event) => {
      const here = place(event);
      const isClick = began && Math.hypot(here[0] - began[0], here[1] - began[1]) < DRAG;
      release();
      if (isClick) this.onPick?.(this.toWorld(...here));
    });
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("dblclick", () => { if (!this.onPick) this.fit(); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.zoom(Math.exp(-event.deltaY * lines * 0.0015), ...place(event));
    }, { passive: false });
  }

  point(here) {
    this.cursor = here;
    if (this.mode === "spyglass") this.redraw();
    else this.onCursor();
  }

  beat() {
    if (this.mode !== "blink" || !this.scene.lm) return;
    this.showLight = !this.showLight;
    this.redraw();
  }

  // -- drawing -----------------------------------------------------------------------

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); });
  }

  draw() {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    const emMatrix = this.worldToEm();
    const lmMatrix = this.worldToLm();
    this.put("height", this.canvas.height);
    this.putMatrix("screenToWorld", this.screenToWorld());
    this.putMatrix("worldToEm", emMatrix || IDENTITY);
    this.putMatrix("worldToLm", lmMatrix || IDENTITY);
    this.drawEm(emMatrix && this.scene.em);
    this.drawLm(lmMatrix && this.scene.lm);
    this.putMode();
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    this.onCursor();
  }

  /** Device px (y down, edges on whole numbers) -> world px. */
  screenToWorld() {
    const { x, y, scale } = this.view;
    const step = 1 / (scale * this.ratio);
    const w = this.width * this.ratio, h = this.height * this.ratio;
    return [step, 0, x - (w / 2) * step, 0, step, y - (h / 2) * step, 0, 0, 1];
  }

  drawEm(em) {
    const entry = em && this.textures.get(em);
    this.bind("em0", 0, entry);
    this.putFlag("hasEm", Boolean(entry));
    if (!entry) return;
    this.put2("emCovers", ...entry.covers);
    this.put2("emSize", em.width, em.height);
    this.put2("emRange", ...(em.range || [0, 1]));
    this.put("barTop", em.height - (em.barRows || 0) - 0.5);
    this.putFlag("showBar", this.base === "em");
    this.put("emOpacity", em.visible === false ? 0 : em.opacity ?? 1);
  }

  drawLm(lm) {
    const shown = (lm?.channels || []).filter((c) => c.visible !== false);
    const ready = shown.map((c) => [c, this.textures.get(c)]).filter(([, entry]) => entry);
    const used = ready.slice(0, MOST_CHANNELS);
    this.gl.uniform1i(this.place("channelCount"), used.length);
    for (let n = 0; n < MOST_CHANNELS; n++) {
      const [layer, entry] = used[n] || [];
      this.bind(`lm${n}`, n + 1, entry);
      if (!entry) continue;
      this.put2(`lmCovers[${n}]`, ...entry.covers);
      this.put2(`lmRange[${n}]`, ...layer.range);
      this.gl.uniform3f(this.place(`lmColour[${n}]`), ...layer.colour);
      this.put(`lmOpacity[${n}]`, layer.opacity);
    }
  }

  putMode() {
    const gl = this.gl;
    gl.uniform1i(this.place("mode"), MODES[this.mode]);
    this.put("overlayOpacity", this.opacity);
    this.put("split", this.split * this.width * this.ratio);
    const [gx, gy] = this.cursor || [-1e6, -1e6];
    gl.uniform3f(this.place("glass"), gx * this.ratio, gy * this.ratio, GLASS_RADIUS * this.ratio);
    this.put("tile", TILE * this.ratio);
    this.putFlag("showLight", this.showLight);
    this.putFlag("hatched", Boolean(this.scene.hatched));
  }

  place(name) {
    if (!this.places.has(name)) this.places.set(name, this.gl.getUniformLocation(this.program, name));
    return this.places.get(name);
  }

  put(name, value) { this.gl.uniform1f(this.place(name), value); }
  put2(name, x, y) { this.gl.uniform2f(this.place(name), x, y); }
  putFlag(name, value) { this.gl.uniform1i(this.place(name), value ? 1 : 0); }
  putMatrix(name, m) { this.gl.uniformMatrix3fv(this.place(name), false, columns(m)); }

  bind(name, unit, entry) {
    const gl = this.gl;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, entry ? entry.texture : this.textures.blank);
    gl.uniform1i(this.place(name), unit);
  }
}

function build(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
      throw new Error(`shader: ${gl.getShaderInfoLog(shader)}`);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "corner");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`program: ${gl.getProgramInfoLog(program)}`);
  return program;
}
