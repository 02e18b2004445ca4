// What is known: one snapshot, then the outbox rows that followed it. No drawing here.

const MOST = 400; // of each list; a page stays open for weeks

const KEYS = {
  file: ["files", (m) => m.file_id],
  frame: ["frames", (m) => m.frame_id],
  pair: ["pairs", (m) => m.pair_id || `${m.em_frame_id}|${m.lm_frame_id}`],
  registration: ["registrations", (m) => m.registration_id],
  job: ["jobs", (m) => m.job_id],
};

export class Store extends EventTarget {
  constructor() {
    super();
    this.seq = 0;
    this.epoch = null;
    this.instrument = "";
    this.verbs = [];
    this.staleAfter = 10;
    for (const [list] of Object.values(KEYS)) this[list] = [];
    this.thermal = null;
    this.history = []; // [seconds since the epoch, °C]
    this.status = null;
    this.roots = []; // watched folders: {name, present, reason}
    this.heardAt = null; // the daemon's own clock, text
    this.contradicted = new Map(); // session and map -> what another map says differently
    this.changed = null; // why the session's transform was retired, until it is trusted again
  }

  /** Replace everything. */
  load(snapshot) {
    this.seq = snapshot.seq;
    this.epoch = snapshot.run_epoch;
    this.instrument = snapshot.instrument || "";
    this.verbs = snapshot.verbs || [];
    this.staleAfter = snapshot.stale_after_s || 10;
    this.heardAt = snapshot.now;
    this.roots = snapshot.roots || [];
    for (const [list] of Object.values(KEYS)) this[list] = (snapshot[list] || []).slice(0, MOST);
    this.thermal = snapshot.thermal || null;
    this.remember(snapshot.thermal?.history || []);
    this.status = null;
    this.changed = null;
    this.contradicted.clear();
    // newest first in the snapshot, as every list; said again in the order it happened
    for (const one of [...(snapshot.predictions || [])].reverse()) this.foretell(one);
    for (const one of [...(snapshot.transforms || [])].reverse()) this.change(one);
    this.say("snapshot");
  }

  /** Fold one outbox row in; rows seen before change nothing. */
  apply(row) {
    if (row.seq <= this.seq) return;
    this.seq = row.seq;
    const body = { ...row.body, created_at: row.body.created_at || row.created_at };
    if (row.topic === "thermal") this.warm(body);
    else if (row.topic === "status") this.status = body;
    else if (row.topic === "prediction") this.foretell(body);
    else if (row.topic === "session") this.change(body);
    else if (KEYS[row.topic]) this.upsert(row.topic, body);
    this.say(row.topic, body);
  }

  upsert(topic, body) {
    const [list, key] = KEYS[topic];
    if (topic === "registration") this.dropForetold(body.em_frame_id, body.verdict === "accepted" ? null : body.lm_frame_id);
    const at = this[list].findIndex((one) => key(one) === key(body));
    if (topic === "pair") this.dropWaiting(body);
    if (at < 0) this[list].unshift(body);
    else if (topic === "registration") this[list][at] = body;
    else { // facts that only the snapshot knows (layers...) stay
      const [old] = this[list].splice(at, 1);
      this[list].unshift({ ...old, ...body });
    }
    this[list].length = Math.min(this[list].length, MOST);
  }

  /** Where the session expects an image: shown as that, until its pixels have spoken. */
  foretell(body) {
    const same = (one) => one.em_frame_id === body.em_frame_id && one.lm_frame_id === body.lm_frame_id;
    if (this.registrations.some((one) => same(one) && one.verdict !== "predicted")) return;
    this.dropForetold(body.em_frame_id, body.lm_frame_id);
    const { em_to_lm, error_lm_px, error_um, reasons } = body;
    this.registrations.unshift({
      ...body, registration_id: `predicted:${body.em_frame_id}:${body.lm_frame_id}`, verdict: "predicted", best: true, outputs: {},
      registration: { verdict: "predicted", em_to_lm, error_lm_px, error_um, reasons },
    });
  }

  dropForetold(frame, map) {
    this.registrations = this.registrations.filter((one) => one.verdict !== "predicted"
      || one.em_frame_id !== frame || (map && one.lm_frame_id !== map));
  }

  /** What a retired transform foretold is no longer worth looking at. */
  change(body) {
    const mine = (one) => one.session === body.session && one.lm_frame_id === body.lm_frame_id;
    const place = JSON.stringify([body.session, body.lm_frame_id]);
    if (body.event === "contradicted") this.contradicted.set(place, body);
    else if (body.event === "corrected") this.contradicted.delete(place);
    if (body.standing === "doubted") {
      if (body.event !== "contradicted") this.changed = body;
      this.registrations = this.registrations.filter((one) => one.verdict !== "predicted" || !mine(one));
    } else if (this.changed && mine(this.changed)) this.changed = null;
  }

  /** An image that has found its partner waits no longer. */
  dropWaiting(pair) {
    if (!pair.em_frame_id || !pair.lm_frame_id) return;
    const found = (id) => id === pair.em_frame_id || id === pair.lm_frame_id;
    this.pairs = this.pairs.filter(
      (one) => one.state !== "waiting" || !found(one.em_frame_id || one.lm_frame_id));
  }

  warm(body) {
    this.thermal = body;
    const reading = readingOf(body);
    if (reading) this.history = [...this.history, reading].slice(-720);
  }

  /** Replace the temperature history. */
  remember(readings) {
    this.history = readings.map(readingOf).filter(Boolean);
  }

  /** What a frame is called: its file, and which image of it where it holds several. */
  nameOf(frame) {
    if (!frame) return "";
    const file = this.files.find((one) => one.file_id === frame.file_id);
    const scene = Number.isInteger(frame.position) ? ` #${frame.position + 1}` : "";
    return file?.name ? `${file.name}${scene}` : frame.frame_id;
  }

  /** Why an EM image may lie on another map than this one, and which those are. */
  doubtOf(em, lm) {
    const pairs = this.pairs.filter((one) => em && one.em_frame_id === em && one.lm_frame_id && one.state !== "overruled");
    const rivals = pairs.map((one) => one.lm_frame_id).filter((id) => id !== lm);
    return { doubt: pairs[0]?.doubt || "", rivals: [...new Set(rivals)] };
  }

  /** Is another engine being asked, or going to be asked, about a result? */
  isAsking(registration) {
    return this.jobs.some((one) => one.kind === "second" && one.subject === registration && ["queued", "leased", "deferred"].includes(one.state));
  }

  frame(id) { return this.frames.find((one) => one.frame_id === id) || null; }

  say(topic, body = null) { this.dispatchEvent(new CustomEvent("change", { detail: { topic, body } })); }
}

/** A temperature reading in any of its spellings, as [seconds, °C]. */
export function readingOf(one) {
  const [at, value] = Array.isArray(one) ? one
    : [one.at ?? one.created_at ?? one.t ?? one.t_s, one.temperature_c ?? one.c];
  const seconds = typeof at === "number" ? at : Date.parse(at) / 1000;
  return Number.isFinite(seconds) && Number.isFinite(value) ? [seconds, value] : null;
}

/** The layers of a frame, from what the daemon listed or from the file's own facts. */
export function layersOf(frame) {
  const facts = frame.frame || {};
  const [rows, across] = facts.shape || [];
  const width = frame.width || across || 1;
  const height = frame.height || rows || 1;
  // a cube is shown as one picture of all its bands
  const channels = facts.spectrum ? [{ name: `${facts.spectrum.bands} bands` }] : facts.channels;
  const listed = frame.layers?.length ? frame.layers : (channels || [{ name: "" }]);
  return listed.map((one, n) => {
    const channel = one.channel ?? n;
    return {
      key: frame.frame_id,
      channel,
      name: one.name || `channel ${channel + 1}`,
      kind: one.kind || "unknown",
      factor: one.factor,
      barRows: facts.info_bar_rows || 0,
      width,
      height,
      url: `/api/layer/${encodeURIComponent(frame.frame_id)}/${channel}`,
    };
  });
}

export function pixelSizeOf(frame) {
  return frame?.pixel_size_um || frame?.frame?.pixel_size_um || null;
}
