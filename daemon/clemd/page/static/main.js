// Joins the parts: what is known (store), how it arrives (feed), what is chosen, what is seen.

import { byId, number } from "./dom.js";
import { Feed } from "./feed.js";
import { HeatPanel } from "./heat.js";
import { LayerPanel } from "./layers.js";
import { showFiles, showResults, showWaiting } from "./lists.js";
import { Marks } from "./marks.js";
import { Placing } from "./placing.js";
import { Looks, describe } from "./scene.js";
import { SpectrumPanel } from "./spectrum.js";
import { showActivity, showLine, showNoWebGL, showThermal } from "./status.js";
import { Store } from "./store.js";
import { Tools } from "./tools.js";
import { showBadge, showDownloads, showVerdict } from "./verdict.js";
import { NoWebGL, Viewer } from "./viewer.js";

const store = new Store();
const feed = new Feed(store);
const looks = new Looks();
const heat = new HeatPanel(feed, store);
const spectrum = new SpectrumPanel(feed, store);
let chosen = { registration: null, em: null, lm: null };
let about = null;
let viewer = null, marks = null, tools = null, panel = null, placing = null;

try {
  viewer = new Viewer(byId("view"), { onChange: refresh, onCursor: showCursor });
  marks = new Marks(byId("marks"), viewer);
  panel = new LayerPanel(viewer, refresh);
  tools = new Tools(viewer, { step, refresh });
  placing = marks.placing = new Placing(viewer, { ask, changed: () => { drawn = null; refresh(); } });
} catch (failed) {
  if (!(failed instanceof NoWebGL)) throw failed;
  showNoWebGL(byId("port"));
}

// -- choosing -----------------------------------------------------------------------

function choose(what, { byHand = true } = {}) {
  if (byHand && placing?.isOn) placing.stop();
  chosen = { registration: null, em: null, lm: null, ...what };
  if (byHand) goFirst(what);
  if (byHand) byId("follow").checked = Boolean(
    chosen.registration && chosen.registration === newest()?.registration_id && byId("follow").checked);
  refresh();
  drawLists();
}

/** What the operator looks at is registered before the others. */
function goFirst(what) {
  const [, foretold] = (what.registration || "").match(/^predicted:([^:]+):/) || [];
  const em = what.em || foretold;
  if (em && store.verbs.includes("first")) feed.command("first", { em_frame_id: em }).catch(() => {});
}

const newest = () => store.registrations.find((one) => one.best !== false) || store.registrations[0];

function follow() {
  if (placing?.isOn) return;
  if (byId("follow").checked && newest()) chosen = { registration: newest().registration_id, em: null, lm: null };
  else if (!chosen.registration && !chosen.em && !chosen.lm) showLone();
}

/** Before the first result, show the newest image, so that the screen is not empty. */
function showLone() {
  const frame = store.frames.find((one) => one.side === "em") || store.frames[0];
  if (frame) chosen = { registration: null, [frame.side === "em" ? "em" : "lm"]: frame.frame_id };
}

/** A better result for the pair on screen replaces it, whatever is being followed. */
function keepUp(topic, body) {
  if (placing?.isOn) return; // nothing moves under the operator's hand
  const shown = store.registrations.find((one) => one.registration_id === chosen.registration);
  if (topic === "registration" && chosen.registration === `predicted:${body.em_frame_id}:${body.lm_frame_id}`)
    chosen = { registration: body.registration_id, em: null, lm: null };
  if (topic === "registration" && shown && body.pair_id === shown.pair_id && body.best !== false)
    chosen = { registration: body.registration_id, em: null, lm: null };
}

function step(by) {
  const at = store.registrations.findIndex((one) => one.registration_id === chosen.registration);
  const next = store.registrations[at + by];
  if (next) choose({ registration: next.registration_id });
}

async function ask(verb, args) {
  const say = (words) => { if (byId("said")) byId("said").textContent = words; };
  const set = (off) => document.querySelectorAll("#verdict [data-verb]").forEach((b) => { b.disabled = off; });
  say("asking…");
  set(true);
  try {
    const answer = await feed.command(verb, args);
    say(typeof answer.message === "string" ? answer.message : "done");
  } catch (failed) {
    say(failed.message);
  }
  set(false);
}

// -- showing ------------------------------------------------------------------------

let drawn = null;

function refresh() {
  about = describe(store, chosen, looks);
  if (panel?.measure(about.scene)) about = describe(store, chosen, looks);
  if (placing?.isOn) about = placing.scene(about);
  byId("stage").dataset.verdict = about.verdict || "";
  if (viewer) spectrum.follow(about);
  if (viewer) {
    viewer.show(about.scene);
    marks.about = about;
    panel.show(about.scene);
    tools.show();
    showLoading();
  }
  const mark = JSON.stringify([chosen, about.result, store.verbs, store.changed, [...store.contradicted.values()], store.doubtOf(about.emFrame?.frame_id, about.lmFrame?.frame_id), store.isAsking(about.result?.registration_id), store.nameOf(about.emFrame), store.nameOf(about.lmFrame)]);
  if (mark === drawn) return; // sliders and late pictures do not change the words
  drawn = mark;
  if (placing?.isOn) placing.showCard();
  else showVerdict(about, store, ask, placing && (() => placing.start(about)));
  showDownloads(about.result);
  if (viewer) showBadge(about);
  document.title = about.verdict ? `${about.verdict} · clemd` : "clemd";
}

function showLoading() {
  const { em, lm } = about.scene;
  const wanted = [em, ...(about.scene.matrix || viewer.base === "lm" ? lm?.channels || [] : [])].filter(Boolean);
  const states = wanted.map((layer) => viewer.textures.stateOf(layer.url));
  const words = states.includes("missing") ? "A preview is not there yet"
    : states.some((s) => s === "loading") ? "Loading…" : "";
  byId("loading").hidden = !words;
  byId("loading").textContent = words;
}

function showCursor() {
  if (!marks || !about) return;
  marks.draw();
  tools?.showZoom();
  const at = viewer.cursor ? viewer.coordinates(...viewer.cursor) : {};
  byId("em-at").textContent = place(at.em, about.emPixel);
  byId("lm-at").textContent = place(at.lm, about.lmPixel);
  showSpectrum(at);
}

/** At the cursor; without one at the middle of the view, for who moves it by keyboard. */
function showSpectrum(at) {
  if (!spectrum.isOn) return;
  const byKeyboard = !viewer.cursor && (spectrum.isEmpty || viewer.canvas.matches(":focus-visible"));
  marks.drawCross(byKeyboard);
  if (viewer.cursor) spectrum.at(at);
  else if (byKeyboard) spectrum.at(viewer.coordinates(viewer.width / 2, viewer.height / 2));
}

function place(point, pixel) {
  if (!point) return "–";
  const px = `${number(point[0], 1)}, ${number(point[1], 1)} px`;
  return pixel ? `${px}  ·  ${number(point[0] * pixel[0], 2)}, ${number(point[1] * pixel[1], 2)} µm` : px;
}

function drawLists() {
  showResults(store, chosen, choose);
  showWaiting(store, chosen, choose);
  showFiles(store);
}

let queued = false;

/** Many rows may arrive at once; the lists are drawn once for all of them. */
function drawSoon() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    follow();
    drawLists();
    showActivity(store);
    showThermal(store);
    heat.show();
    showLine(feed, store);
    byId("instrument").textContent = store.instrument;
    refresh();
  });
}

store.addEventListener("change", ({ detail }) => { keepUp(detail.topic, detail.body); drawSoon(); });
feed.addEventListener("state", () => showLine(feed, store));
feed.addEventListener("beat", () => showLine(feed, store));
feed.addEventListener("temperature", () => showThermal(store));
setInterval(() => { feed.takeTemperature(); heat.take(); }, 15000);
byId("follow").addEventListener("change", drawSoon);
document.body.dataset.ready = "yes";
feed.start();
