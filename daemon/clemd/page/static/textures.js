// Layer previews: fetched, measured for contrast, kept on the graphics card while used.

const KEPT = 14;
const HISTOGRAM_SIDE = 384;
const LONGEST_PREVIEW = 2048;

/** What one texel spans. Previews are binned by a whole factor, a remainder cut off. */
function covers(layer, width, height) {
  const longest = Math.max(layer.width, layer.height);
  const factor = layer.factor || Math.ceil(longest / LONGEST_PREVIEW);
  const isBinned = Math.floor(layer.width / factor) === width
    && Math.floor(layer.height / factor) === height;
  return isBinned ? [width * factor, height * factor] : [layer.width, layer.height];
}

/** 256 counts over a reduced copy; exact enough to choose a contrast by. */
function histogramOf(bitmap) {
  const shrink = Math.min(1, HISTOGRAM_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * shrink));
  canvas.height = Math.max(1, Math.round(bitmap.height * shrink));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const counts = new Uint32Array(256);
  for (let i = 0; i < pixels.length; i += 4) counts[pixels[i]]++;
  return counts;
}

/** Grey values (0..1) below which the given fractions of all pixels lie. */
export function percentiles(counts, low, high) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  const find = (fraction) => {
    let seen = 0;
    for (let value = 0; value < 256; value++) {
      seen += counts[value];
      if (seen >= fraction * total) return value;
    }
    return 255;
  };
  const [from, to] = [find(low), find(high)];
  return to - from < 4 ? [0, 1] : [from / 255, to / 255];
}

export class Textures {
  constructor(gl, { changed }) {
    this.gl = gl;
    this.changed = changed;
    this.known = new Map(); // url -> {texture, covers, counts, state, used}
    this.clock = 0;
    this.blank = this.upload(null);
  }

  /** The layer's texture, or null while it is on its way. */
  get(layer) {
    const entry = this.known.get(layer.url) || this.ask(layer);
    entry.used = ++this.clock;
    return entry.state === "ready" ? entry : null;
  }

  /** `loading`, `missing`, `failed` or `ready`; undefined where nobody asked. */
  stateOf(url) { return this.known.get(url)?.state; }

  ask(layer) {
    const entry = { state: "loading", tries: 0, used: ++this.clock };
    this.known.set(layer.url, entry);
    this.fetch(layer, entry);
    return entry;
  }

  async fetch(layer, entry) {
    try {
      const answer = await fetch(layer.url);
      if (answer.status === 404 || answer.status === 503) return this.later(layer, entry);
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const bitmap = await createImageBitmap(await answer.blob(), {
        colorSpaceConversion: "none", premultiplyAlpha: "none",
      });
      entry.counts = histogramOf(bitmap);
      entry.covers = covers(layer, bitmap.width, bitmap.height);
      entry.texture = this.upload(bitmap);
      entry.state = "ready";
      bitmap.close();
      this.forgetOldest();
    } catch (_) {
      return this.later(layer, entry);
    }
    this.changed();
  }

  /** Ask again, ever more slowly, as long as somebody still wants to see it. */
  later(layer, entry) {
    entry.state = "missing";
    entry.tries += 1;
    this.changed();
    const wait = Math.min(15000, 500 * 2 ** entry.tries);
    setTimeout(() => {
      if (this.known.get(layer.url) !== entry) return;
      if (this.clock - entry.used > 400) this.known.delete(layer.url);
      else this.fetch(layer, entry);
    }, wait);
  }

  upload(bitmap) {
    const gl = this.gl;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    if (bitmap === null) {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, 1, 1, 0, gl.RED, gl.UNSIGNED_BYTE, new Uint8Array(1));
    } else {
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, gl.RED, gl.UNSIGNED_BYTE, bitmap);
    }
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    return texture;
  }

  forgetOldest() {
    const ready = [...this.known].filter(([, entry]) => entry.texture);
    ready.sort((a, b) => a[1].used - b[1].used);
    for (const [url, entry] of ready.slice(0, Math.max(0, ready.length - KEPT))) {
      this.gl.deleteTexture(entry.texture);
      this.known.delete(url);
    }
  }
}
