// The top line: is the picture current, what is being done, how warm is it.

import { byId, clockTime, h, number } from "./dom.js";

const LINE_WORDS = { connecting: "connecting", live: "live", stale: "no connection", "signed-out": "signed out" };
const SHOWN_S = 3600;
const KINDS = { second: "asking a second engine about" };

export function showLine(feed, store) {
  byId("line").dataset.state = feed.state;
  const isReady = feed.health?.ready !== false;
  byId("line").dataset.ready = isReady ? "yes" : "no";
  byId("line-text").textContent = feed.state === "live" && !isReady ? "live, not ready" : LINE_WORDS[feed.state];
  byId("line").title = isReady ? "" : ["clemd is not ready", ...(feed.health.late || []).map((part) => `${part} is late`)].join("; ");
  const at = clockTime(store.heardAt);
  const banner = byId("banner");
  const words = feed.state === "signed-out"
    ? "Not signed in. Open the address that clemd printed when it started (it ends in ?token=...)."
    : feed.state === "stale" ? `Connection to clemd lost. What you see is the state${at ? ` of ${at}` : " of before"} and may be out of date.`
      : store.status?.state === "draining" || store.status?.state === "stopped"
        ? "clemd is stopping. New images are not processed until it runs again." : "";
  banner.hidden = !words;
  if (banner.textContent !== words) banner.textContent = words;
  banner.dataset.kind = feed.state;
  document.body.classList.toggle("is-stale", feed.state === "stale");
}

export function showActivity(store) {
  const jobs = (state) => store.jobs.filter((one) => one.state === state);
  const running = jobs("leased"), queued = jobs("queued"), put = jobs("deferred"), broken = jobs("poisoned");
  const parts = [];
  if (running.length) parts.push(`${KINDS[running[0].kind] || running[0].kind}${running[0].subject ? ` ${running[0].subject}` : ""}`);
  if (running.length > 1) parts.push(`${running.length - 1} more running`);
  if (queued.length) parts.push(`${queued.length} queued`);
  if (running[0]?.reason) parts.push(running[0].reason);
  if (put.length) parts.push(`${put.length} put off${put[0].reason ? `: ${put[0].reason}` : ""}`);
  if (broken.length) parts.push(`${broken.length} given up`);
  byId("activity").textContent = parts.join(" · ") || "idle, watching";
  byId("activity").dataset.busy = running.length ? "yes" : "no";
}

export function showThermal(store) {
  const { thermal, history } = store;
  const chip = byId("thermal");
  chip.dataset.state = thermal?.state || "unknown";
  // the last value says nothing of a device that is not seen
  const value = thermal?.state === "blind" ? null : thermal?.temperature_c ?? history.at(-1)?.[1];
  const words = { cool: "cool", warm: "warm", hot: "hot: waiting", blind: "not seen" };
  const wishes = { pause: "paused by the operator", allow: "allowed by the operator" };
  const state = wishes[thermal?.wish] || words[thermal?.state] || "no temperature";
  byId("thermal-text").textContent = Number.isFinite(value) ? `${number(value, 0)} °C ${state}` : state;
  chip.title = [thermal?.sensor, thermal?.reason].filter(Boolean).join(": ") || "Temperature of the computing device, last hour";
  drawSpark(byId("spark"), history, thermal?.limit_c);
}

function drawSpark(canvas, history, limit) {
  const ratio = window.devicePixelRatio || 1;
  const [w, tall] = [120, 26];
  canvas.width = w * ratio;
  canvas.height = tall * ratio;
  canvas.hidden = history.length < 2;
  if (history.length < 2) return;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const end = history.at(-1)[0];
  const shown = history.filter(([at]) => at >= end - SHOWN_S);
  const values = shown.map(([, v]) => v);
  const low = Math.min(...values) - 3, high = Math.max(...values) + 3;
  const from = shown[0][0], span = Math.max(1, end - from);
  const y = (v) => tall - 2 - ((v - low) / (high - low)) * (tall - 4);
  if (limit && limit < high) {
    context.strokeStyle = "#ff7a72";
    context.setLineDash([3, 3]);
    context.beginPath(); context.moveTo(0, y(limit)); context.lineTo(w, y(limit)); context.stroke();
    context.setLineDash([]);
  }
  context.strokeStyle = "#7fb6e8";
  context.lineWidth = 1.5;
  context.beginPath();
  shown.forEach(([at, v], n) => {
    const x = ((at - from) / span) * (w - 2) + 1;
    if (n) context.lineTo(x, y(v)); else context.moveTo(x, y(v));
  });
  context.stroke();
}

/** Where the browser cannot draw, say so and keep everything else working. */
export function showNoWebGL(port) {
  port.replaceChildren(h("div.nogl", { role: "alert" }, h("strong", {}, "This browser cannot draw the overlay"),
    h("p", {}, "WebGL 2 is missing or switched off. Use a current Firefox, Chrome or Edge and switch on hardware " +
      "acceleration in its settings. Verdicts, files and downloads on this page work all the same.")));
}
