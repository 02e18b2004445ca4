// The whole picture in one fragment: screen px -> world px -> EM px and LM px -> texels.
// "World" is the pixel grid that stays upright: the EM image, or the LM map.

export const MOST_CHANNELS = 6;
export const MODES = { overlay: 0, blink: 1, curtain: 2, checker: 3, spyglass: 4 };

export const VERTEX = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }
`;

const channel = (n) => `
  if (${n} < channelCount) {
    vec2 uv = (lm + 0.5) / lmCovers[${n}];
    if (inside(uv)) light += lmColour[${n}] * lmOpacity[${n}]
      * stretch(texture(lm${n}, uv).r, lmRange[${n}]);
  }`;

const each = (piece) => Array.from({ length: MOST_CHANNELS }, (_, n) => piece(n)).join("");

export const FRAGMENT = `#version 300 es
precision highp float;
uniform float height;          // of the canvas, device px
uniform mat3 screenToWorld;    // device px, y down -> world px
uniform mat3 worldToEm;
uniform mat3 worldToLm;
uniform bool hasEm;
uniform sampler2D em0;
uniform vec2 emCovers;         // full px that the texture spans
uniform vec2 emSize;
uniform vec2 emRange;
uniform float barTop;          // EM px from which rows are the vendor's info bar
uniform bool showBar;
uniform float emOpacity;
uniform int channelCount;
${each((n) => `uniform sampler2D lm${n};\n`)}
uniform vec2 lmCovers[${MOST_CHANNELS}];
uniform vec2 lmRange[${MOST_CHANNELS}];
uniform vec3 lmColour[${MOST_CHANNELS}];
uniform float lmOpacity[${MOST_CHANNELS}];
uniform float overlayOpacity;
uniform int mode;
uniform float split;           // curtain, device px from the left
uniform vec3 glass;            // spyglass: x, y, radius, device px
uniform float tile;            // checkerboard, device px
uniform bool showLight;        // blink: which half of the beat
uniform bool hatched;          // not confirmed: never to be taken for right
out vec4 colour;

bool inside(vec2 uv) { return all(greaterThanEqual(uv, vec2(0.0))) && all(lessThan(uv, vec2(1.0))); }
float stretch(float value, vec2 range) {
  return clamp((value - range.x) / max(range.y - range.x, 1.0 / 512.0), 0.0, 1.0);
}
vec2 moved(mat3 m, vec2 p) { vec3 q = m * vec3(p, 1.0); return q.xy / q.z; }

void main() {
  vec2 screen = vec2(gl_FragCoord.x, height - gl_FragCoord.y);
  vec2 world = moved(screenToWorld, screen);
  vec2 em = moved(worldToEm, world);
  vec2 lm = moved(worldToLm, world);

  vec3 grey = vec3(0.0);
  vec2 emUv = (em + 0.5) / emCovers;
  if (hasEm && inside((em + 0.5) / emSize) && inside(emUv))
    grey = vec3(stretch(texture(em0, emUv).r, emRange)) * emOpacity;

  vec3 light = vec3(0.0);
  ${each(channel)}
  light = min(light, 1.0);
  // the bar's rows are not specimen: it is read by itself, or left away
  if (hasEm && em.y >= barTop && inside((em + 0.5) / emSize)) {
    if (showBar) light = vec3(0.0); else grey = vec3(0.0);
  }
  if (hatched && mod(screen.x + screen.y, 24.0) < 9.0) light *= 0.25;

  bool onlyLight = mode == ${MODES.blink} ? showLight
    : mode == ${MODES.curtain} ? screen.x >= split
    : mode == ${MODES.checker} ? mod(floor(screen.x / tile) + floor(screen.y / tile), 2.0) > 0.5
    : mode == ${MODES.spyglass} ? distance(screen, glass.xy) < glass.z
    : false;
  if (channelCount == 0) colour = vec4(grey, 1.0);
  else if (mode == ${MODES.overlay}) {
    vec3 over = light * overlayOpacity;
    // grey gives way under colour, or labels would fade to white on bright structure
    float cover = max(over.r, max(over.g, over.b));
    colour = vec4(min(grey * (1.0 - 0.6 * cover) + over, 1.0), 1.0);
  } else colour = vec4(onlyLight ? light : grey, 1.0);
}
`;
