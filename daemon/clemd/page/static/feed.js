// The line to the daemon: snapshot, then events from there on, and honesty about silence.

const RETRY_MS = 2000;
const LOOK_MS = 250;

export class Feed extends EventTarget {
  /** States: `connecting`, `live`, `stale` (nothing heard), `signed-out`. */
  constructor(store) {
    super();
    this.store = store;
    this.state = "connecting";
    this.lastHeard = performance.now();
    this.health = null;
    setInterval(() => this.look(), LOOK_MS);
    document.addEventListener("visibilitychange", () => this.rest());
  }

  async start() {
    this.source?.close();
    clearTimeout(this.retry);
    try {
      const answer = await fetch("/api/snapshot", { cache: "no-store" });
      if (answer.status === 401) return this.become("signed-out");
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      this.store.load(await answer.json());
      this.listen();
    } catch (_) {
      this.become("stale");
      this.retry = setTimeout(() => this.start(), RETRY_MS);
    }
  }

  listen() {
    this.source?.close();
    const source = new EventSource(`/api/events?after=${this.store.seq}`);
    this.source = source;
    const on = (name, act) => source.addEventListener(name, (event) => {
      this.heard();
      act(JSON.parse(event.data));
    });
    on("hello", (hello) => { if ((hello.run_epoch ?? null) !== (this.store.epoch ?? null)) this.start(); });
    on("reset", () => this.start());
    on("row", (row) => this.store.apply(row));
    on("heartbeat", (beat) => {
      const turned = this.health && this.health.ready !== beat.health.ready;
      this.health = beat.health;
      if (turned) this.start(); // folders came or went: look at everything anew
      this.store.heardAt = beat.now;
      this.dispatchEvent(new Event("beat"));
    });
    source.onerror = () => {
      this.become("stale");
      // the browser retries a broken line, but not a refusal
      if (source.readyState === EventSource.CLOSED && source === this.source)
        this.retry = setTimeout(() => this.start(), RETRY_MS);
    };
  }

  heard() {
    this.lastHeard = performance.now();
    this.become("live");
  }

  look() {
    const silent = (performance.now() - this.lastHeard) / 1000;
    if (this.state === "live" && silent > this.store.staleAfter) this.become("stale");
  }

  /** A hidden tab gives its connection back: browsers allow six to one address. */
  rest() {
    if (document.hidden) this.source?.close();
    else this.start();
  }

  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** The last hour's temperatures; the stream tells only changes of state. */
  async takeTemperature() {
    if (this.state !== "live" || document.hidden) return;
    const answer = await fetch("/api/temperature?since_s=3600").catch(() => null);
    if (!answer?.ok) return;
    this.store.remember(await answer.json());
    this.dispatchEvent(new Event("temperature"));
  }

  /** Ask the daemon to do something; returns its answer or throws its one line. */
  async command(verb, args) {
    const answer = await fetch("/api/command", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ verb, arguments: args }),
    });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error || `refused (HTTP ${answer.status})`);
    return said;
  }
}
