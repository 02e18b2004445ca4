// The left side: results, images that wait for a partner, files. Rows are reused by key,
// so that keyboard focus and scroll position survive every update.

import { baseName, byId, clockTime, h, length, number, sign } from "./dom.js";

const MOST_ROWS = 200;

/** Make `list` hold one row per entry; rows whose `mark` is unchanged are left alone. */
function fill(list, entries, { key, mark, row }) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const wanted = entries.slice(0, MOST_ROWS).map((entry) => {
    const id = String(key(entry));
    const kept = old.get(id);
    const now = mark(entry);
    if (kept && kept.dataset.mark === now) return kept;
    const made = row(entry);
    made.dataset.key = id;
    made.dataset.mark = now;
    return made;
  });
  const focus = document.activeElement?.closest?.("li")?.dataset.key;
  list.replaceChildren(...wanted);
  if (focus && list.contains(document.activeElement) === false)
    wanted.find((one) => one.dataset.key === focus)?.querySelector("button")?.focus();
}

const errorWords = (found) =>
  Number.isFinite(found?.error_um?.p95) ? `± ${length(found.error_um.p95)}`
    : Number.isFinite(found?.error_lm_px?.p95) ? `± ${number(found.error_lm_px.p95, 2)} px` : "";

function resultRow(one, chosen, choose) {
  const isChosen = one.registration_id === chosen.registration;
  const claim = one.verdict === "rejected" ? "not registered" : errorWords(one.registration);
  return h("li", {}, h(`button.row.${one.verdict}${one.best === false ? ".lesser" : ""}`, {
    type: "button", "aria-current": isChosen ? "true" : null,
    onclick: () => choose({ registration: one.registration_id }),
  },
  sign(one.verdict),
  h("span.main", {}, h("span.name", { title: one.em_file }, baseName(one.em_file)),
    h("span.sub", { title: one.lm_file }, `on ${baseName(one.lm_file)}`,
      one.best === false ? " · another map fits better" : "")),
  h("span.end", {}, h("span.word", {}, one.verdict),
    h("span.sub", {}, claim))));
}

export function showResults(store, chosen, choose) {
  const list = byId("results");
  fill(list, store.registrations, {
    key: (one) => one.registration_id,
    mark: (one) => `${one.verdict} ${one.best} ${one.registration_id === chosen.registration} ${JSON.stringify(one.registration?.error_um)}`,
    row: (one) => resultRow(one, chosen, choose),
  });
  if (!store.registrations.length)
    list.replaceChildren(h("li.empty", {}, "The first overlay appears here by itself."));
}

export function showWaiting(store, chosen, choose) {
  const pairs = store.pairs.filter((one) => ["waiting", "proposed", "registering"].includes(one.state));
  byId("waiting-box").hidden = pairs.length === 0;
  byId("waiting-count").textContent = pairs.length ? String(pairs.length) : "";
  const name = (id) => baseName(store.nameOf(store.frame(id)) || id || "");
  fill(byId("waiting"), pairs, {
    key: (one) => one.pair_id || `${one.em_frame_id}|${one.lm_frame_id}`,
    mark: (one) => `${one.state} ${name(one.em_frame_id)} ${chosen.em === one.em_frame_id} ${one.reasons} ${one.doubt} ${name(one.lm_frame_id)}`,
    row: (one) => {
      const lone = one.em_frame_id || one.lm_frame_id;
      const why = one.reasons?.[0] || (one.em_frame_id ? "no light image yet" : "no electron image yet");
      const next = `${one.state === "registering" ? "registering" : "next"} on ${name(one.lm_frame_id)}`;
      const doing = one.state === "waiting" ? why : one.doubt ? `${next}, doubtful: ${one.doubt}` : next;
      return h("li", {}, h("button.row.waiting", { type: "button",
        "aria-current": !chosen.registration && chosen.em === one.em_frame_id && chosen.lm === one.lm_frame_id ? "true" : null,
        onclick: () => choose({ em: one.em_frame_id, lm: one.lm_frame_id }) },
      sign("waiting"),
      h("span.main", {}, h("span.name", {}, name(lone)), h("span.sub", { title: doing }, doing)),
      h("span.end", {}, h("span.word", {}, one.em_frame_id ? "EM" : "LM"))));
    },
  });
}

export function showFiles(store) {
  byId("file-count").textContent = store.files.length ? String(store.files.length) : "";
  fill(byId("files"), store.files, {
    key: (one) => one.file_id,
    mark: (one) => `${one.state} ${one.reason} ${one.name} ${one.revision}`,
    row: (one) => h("li", {}, h("div.row.file", { title: one.reason || null },
      h("span.main", {},
        h("span.name", { title: `${one.root}: ${one.name}` }, baseName(one.name)),
        h("span.sub", {}, one.reason || `${one.root}${one.revision > 1 ? `, version ${one.revision}` : ""}`)),
      h("span.end", {}, h("span.pill", { data: { state: one.state } }, one.state),
        h("span.sub", {}, clockTime(one.created_at))))),
  });
  if (!store.files.length)
    byId("files").replaceChildren(h("li.empty", {}, "No file has been seen yet."));
  const gone = store.roots.filter((one) => one.present === false);
  byId("files").prepend(...gone.map((one) =>
    h("li.missing", {}, `Folder ${one.name} cannot be reached${one.reason ? `: ${one.reason}` : ""}`)));
}
