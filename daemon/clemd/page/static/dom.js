// Elements from text: nothing that came from a file is ever parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

/** h("button.primary", {title, onclick, "aria-label"}, "text" | node ...) */
export function h(what, facts = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

// shape and colour both carry the meaning: colours alone fail one operator in twelve
const SHAPES = {
  accepted: ["M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20z", "M7 12.5l3.4 3.4L17 9"],
  review: ["M12 2.5L23 21.5H1z", "M12 9.5v6M12 18v.6"],
  rejected: ["M8 2h8l6 6v8l-6 6H8l-6-6V8z", "M8.5 8.5l7 7M15.5 8.5l-7 7"],
  waiting: ["M12 2a10 10 0 1 0 0 20a10 10 0 0 0 0-20z", "M12 7v5.5l3.5 2"],
};

/** The verdict's sign; decoration only, the word always stands beside it. */
export function sign(kind) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `sign ${kind}`);
  (SHAPES[kind] || SHAPES.waiting).forEach((d, n) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    path.setAttribute("class", n ? "mark" : "shape");
    svg.append(path);
  });
  return svg;
}

/** 1234.5 -> "1 234.5"; a dash for what is not known. */
export function number(value, digits = 1) {
  if (!Number.isFinite(value)) return "–";
  const [whole, rest] = Math.abs(value).toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return `${value < 0 ? "−" : ""}${grouped}${rest ? `.${rest}` : ""}`;
}

/** A length in the unit a microscopist would say it in. */
export function length(um) {
  if (!Number.isFinite(um)) return "–";
  const [value, unit] = um < 1 ? [um * 1000, "nm"] : um < 1000 ? [um, "µm"] : [um / 1000, "mm"];
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${Number(value.toFixed(digits))} ${unit}`;
}

export const clockTime = (text) => {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : at.toLocaleTimeString("en-GB");
};

/** The last part of a path; an image that is a folder is called by the folder. */
export const baseName = (path) => String(path || "").replace(/[\\/](zarr\.json|\.zattrs)(?= #\d+$|$)/, "").split(/[\\/]/).pop();
