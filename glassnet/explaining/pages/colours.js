// The value scale and the words for numbers, the same on every page. Colours come from the style's tokens.

export const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

export const minus = (text) => text.replace("-", "\u2212");
export const two = (v) => minus(Math.abs(v) < 0.005 ? "0.00" : v.toFixed(2));
export const signed = (v) => (v < 0 ? "" : "+") + two(v);
export const unpack = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

const linear = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);

function toLab(colour) {
  const [x, y, z] = colour.map(linear);
  const l = Math.cbrt(0.4122214708 * x + 0.5363325363 * y + 0.0514459929 * z);
  const m = Math.cbrt(0.2119034982 * x + 0.6806995451 * y + 0.1073969566 * z);
  const s = Math.cbrt(0.0883024619 * x + 0.2817188376 * y + 0.6299787005 * z);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

function fromLab([L, a, b]) {
  const [l, m, s] = [L + 0.3963377774 * a + 0.2158037573 * b, L - 0.1055613458 * a - 0.0638541728 * b, L - 0.0894841775 * a - 1.291485548 * b].map((v) => v ** 3);
  return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s, -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s].map((v) =>
    Math.round(255 * Math.min(1, Math.max(0, v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055))),
  );
}

export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
export const mix = (a, b, share) => fromLab(toLab(a).map((v, i) => v + (toLab(b)[i] - v) * share));
let palette, paper, ink;

// Again whenever light turns to dark.
export function readColours() {
  const anchors = ["--v-1", "--v-05", "--v0", "--v05", "--v1"].map((name) => rgb(token(name)));
  palette = Array.from({ length: 201 }, (_, i) => {
    const at = i / 50;
    const low = Math.min(3, Math.floor(at));
    return mix(anchors[low], anchors[low + 1], at - low);
  });
  [paper, ink] = [rgb(token("--px0")), rgb(token("--px1"))];
}

export const valueColour = (v) => palette[Math.round(100 + 100 * Math.max(-1, Math.min(1, v)))];
export const inkColour = (share) => mix(paper, ink, share);
export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
const light = (c) => c.map(linear).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
export const textOn = (c) => (1.05 / (light(c) + 0.05) > (light(c) + 0.05) / 0.05 ? "#fff" : "#000");
