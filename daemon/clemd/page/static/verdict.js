// The right side, first card: may this overlay be believed, how far, and why.

import { baseName, byId, h, length, number, sign } from "./dom.js";
import { errorOf } from "./scene.js";

const TITLES = { accepted: "Accepted", review: "Needs review", rejected: "Rejected", predicted: "Predicted" };
const MEANING = {
  accepted: "The overlay may be used within the radius below.",
  review: "The overlay may be wrong. Check it before you use it.",
  rejected: "Not registered. No overlay is shown, because none is known to be right.",
  predicted: "From the stage position alone. The images are being compared; wait for the verdict.",
};
const NOTICED_RATIO = 0.01; // metadata and measurement differ by more than this
// what may be asked of a result; a rejected one cannot be accepted unseen
const VERBS = {
  accepted: { reject: "Reject", retry: "Try again" },
  review: { accept: "Accept", reject: "Reject", retry: "Try again" },
  rejected: { retry: "Try again" },
};

/** Percent by which the measured pixel ratio departs from the metadata, or null. */
export function ratioOff(result) {
  const measured = result?.registration?.pixel_size_ratio;
  const promised = result?.metadata_ratio;
  if (!Number.isFinite(measured) || !Number.isFinite(promised) || promised === 0) return null;
  const off = measured / promised - 1;
  return Math.abs(off) > NOTICED_RATIO ? off * 100 : null;
}

const brief = (px) => number(px, px < 10 ? 1 : 0);

const SECOND = { agrees: "agrees", disagrees: "disagrees", silent: "has no answer" };

/** What another engine says of a result in doubt, in a few words; null where none is asked. */
function second(result, store) {
  const said = result.second;
  if (!said) return store.isAsking(result.registration_id) ? "is being asked" : null;
  const apart = Number.isFinite(said.apart_lm_px) ? `, ${brief(said.apart_lm_px)} LM px apart` : "";
  return `${said.engine} ${SECOND[said.agreement] || said.agreement}${apart}`;
}

function figures(about, store) {
  const { found } = about;
  const error = errorOf(about);
  const shown = about.scene.matrix !== null;
  const rows = [];
  if (shown && error) rows.push(["95 % radius", [error.um !== null ? length(error.um) : null,
    `${brief(error.lmPx)} LM px`, `${brief(error.emPx)} EM px`].filter(Boolean).join(" · ")]);
  if (Number.isFinite(found.confidence)) rows.push(["Confidence", `${number(found.confidence * 100, 0)} %`]);
  if (shown && Number.isFinite(found.pixel_size_ratio)) rows.push(["Pixel ratio", number(found.pixel_size_ratio, 4)]);
  if (shown && Number.isFinite(found.rotation_deg))
    rows.push(["Rotation", `${number(found.rotation_deg, 2)}°${found.mirrored ? ", mirrored" : ""}`]);
  if (found.engine) rows.push(["Engine", [found.engine, found.device].filter(Boolean).join(" on ")]);
  const other = second(about.result, store);
  if (other) rows.push(["Second engine", other]);
  if (found.channel) rows.push(["LM channel", found.channel]);
  if (Number.isFinite(found.seconds?.total)) rows.push(["Time", `${number(found.seconds.total, 1)} s`]);
  return rows;
}

/** The program's own verdict, where the operator has overruled it; else null. */
function overruled(about) {
  const own = about.found.verdict;
  return own && own !== about.verdict ? own : null;
}

function buttons(about, verbs, ask, place) {
  const choices = overruled(about) ? { undo: "Undo" } : VERBS[about.verdict] || {};
  const offered = Object.entries(choices).filter(([verb]) => verbs.includes(verb));
  const made = offered.map(([verb, words]) =>
    h("button", { type: "button", data: { verb }, onclick: () => ask(verb, { registration_id: about.result.registration_id }) }, words));
  if (place && about.emFrame && about.lmFrame && !overruled(about) && about.verdict !== "predicted" && verbs.includes("place"))
    made.push(h("button", { type: "button", data: { verb: "place" }, title: "Click the same spots in both images", onclick: place }, "Place by hand"));
  return made.length ? h("div.actions", {}, ...made) : null;
}

function warnings(about, store) {
  const { result, found } = about;
  const list = (found.warnings || []).map((text) => h("p.warning", {}, text));
  const against = store.contradicted.get(JSON.stringify([result.session, result.lm_frame_id]));
  if (against) list.unshift(h("p.warning", { id: "map-warning" }, `${against.reason[0].toUpperCase()}${against.reason.slice(1)}.`));
  if (store.changed && store.changed.session === result.session) list.unshift(h("p.warning", { id: "session-warning" },
    `This image is not where its session expected it: ${store.changed.reason}. The next image decides which is right.`));
  const off = ratioOff(result);
  const isSaid = (found.warnings || []).some((text) => /pixel.size ratio/i.test(text));
  if (off !== null && about.scene.matrix && !isSaid) list.unshift(h("p.warning", { id: "ratio-warning" },
    `Pixel sizes disagree: metadata says ${number(result.metadata_ratio, 4)} EM px per LM px, the images say ` +
    `${number(found.pixel_size_ratio, 4)} (${off > 0 ? "+" : ""}${number(off, 1)} %). The measured value is used.`));
  return list;
}

const MOST_RIVALS = 3;

/** Where the files or the pixels leave open on which map an image lies: both, in words. */
function doubtful(about, store, ask) {
  const em = about.emFrame, lm = about.lmFrame;
  if (!em || !lm) return null;
  const { doubt, rivals } = store.doubtOf(em.frame_id, lm.frame_id);
  if (!doubt) return null;
  const called = (id) => baseName(store.nameOf(store.frame(id)) || id);
  const others = rivals.slice(0, MOST_RIVALS);
  const words = others.length ? ` Shown on ${baseName(about.result?.lm_file) || called(lm.frame_id)}; it may belong on ${others.map(called).join(" or ")}.` : "";
  const moves = store.verbs.includes("pair") ? others.map((id) => h("button", { type: "button", data: { verb: "pair" },
    title: "Your word holds over the rules; it can be taken back",
    onclick: () => ask("pair", { em_frame_id: em.frame_id, lm_frame_id: id }) }, `Put it on ${called(id)}`)) : [];
  return h("div.warning", { id: "doubt" }, h("p", {}, `It is doubtful where this image belongs: ${doubt}.${words}`),
    moves.length ? h("div.actions", {}, ...moves) : null);
}

function resultCard(about, store, ask, place) {
  const { result, verdict, found } = about;
  return [
    h(`div.stamp.${verdict}`, {}, sign(verdict), h("div", {}, h("h2", {}, TITLES[verdict] || verdict),
      h("p", {}, overruled(about) ? `Decided by the operator. The program said: ${overruled(about)}.` : MEANING[verdict] || ""))),
    h("p.pairing", {}, h("span.name", { title: result.em_file }, baseName(result.em_file)), " on ",
      h("span.name", { title: result.lm_file }, baseName(result.lm_file))),
    doubtful(about, store, ask),
    ...warnings(about, store),
    found.reasons?.length ? h("ul.reasons", {}, ...found.reasons.map((text) => h("li", {}, text))) : null,
    h("dl", {}, ...figures(about, store).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    buttons(about, store.verbs, ask, place),
    h("p.said", { id: "said", role: "status" }),
  ];
}

function loneCard(about, store, ask) {
  const lone = about.emFrame || about.lmFrame;
  if (!lone) return [h("div.stamp.none", {}, sign("waiting"), h("div", {}, h("h2", {}, "Nothing to show yet"),
    h("p", {}, "Save an image at the microscope. It appears here by itself.")))];
  const both = about.emFrame && about.lmFrame;
  const names = [about.emFrame, about.lmFrame].filter(Boolean)
    .map((frame) => baseName(store.nameOf(frame))).join(" and ");
  return [h("div.stamp.none", {}, sign("waiting"), h("div", {},
    h("h2", {}, both ? "Not registered yet" : "No partner yet"),
    h("p", {}, both ? "The overlay appears when its verdict is known." : "This image is paired when its partner is exported."))), h("p.pairing", {}, h("span.name", {}, names)),
    doubtful(about, store, ask), h("p.said", { id: "said", role: "status" })];
}

export function showVerdict(about, store, ask, place) {
  const said = byId("said")?.textContent || "";
  const same = byId("verdict").dataset.of === (about.result?.registration_id || "");
  const parts = about.result ? resultCard(about, store, ask, place) : loneCard(about, store, ask);
  byId("verdict").replaceChildren(...parts.filter(Boolean));
  byId("verdict").dataset.of = about.result?.registration_id || "";
  if (same && byId("said")) byId("said").textContent = said;
}

/** The mark inside the picture itself: seen even by who never looks right. */
export function showBadge(about) {
  const { verdict, found } = about;
  const badge = byId("badge"), notice = byId("notice");
  const error = errorOf(about);
  badge.hidden = !verdict && !about.byHand;
  badge.className = verdict || (about.byHand ? "predicted" : "");
  const radius = error && (error.um !== null ? length(error.um) : `${number(error.lmPx, 2)} LM px`);
  const words = { accepted: radius ? `Accepted ± ${radius}` : "Accepted",
    predicted: radius ? `Predicted ± ${radius}, unchecked` : "Predicted, unchecked",
    review: "Review: not confirmed", rejected: "Rejected: not registered" };
  badge.replaceChildren(...(verdict ? [sign(verdict), h("span", {}, words[verdict] || verdict)] : []),
    ...(about.byHand ? [sign("predicted"), h("span", {}, "By hand, unchecked")] : []));
  notice.hidden = verdict !== "rejected";
  notice.replaceChildren(...(verdict === "rejected" ? [sign("rejected"), h("strong", {}, "Not registered"),
    h("span", {}, (overruled(about) ? "Rejected by the operator." : found.reasons?.[0]) || "No placement could be trusted. The light image is hidden.")] : []));
}

export function showDownloads(result) {
  const names = Object.keys(result?.outputs || {}).sort();
  byId("downloads").hidden = names.length === 0;
  byId("download-list").replaceChildren(...names.map((name) => h("li", {}, h("a", {
    href: `/api/output/${encodeURIComponent(result.registration_id)}/${encodeURIComponent(name)}`, download: "",
  }, name))));
}
