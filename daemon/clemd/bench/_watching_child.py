"""A process that only watches: `python -m clemd.bench._watching_child ROOT STATE`.

The service's own watch keeps the service's own inventory. It says on stdout, a line
each, `ready SCAN WHOLE PROCESSOR EVENTS` after its first scan (seconds: the scan, with
the inventory loaded, its own computing) and `settled N` whenever more are, and ends
with its stdin.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from pathlib import Path

from clemd.config import Ready, RootSettings
from clemd.store import Store
from clemd.watching import Event, FolderWatch, KnownFile, Noticed, Settled, Vanished

BATCH = 500
ROOT = "em"


def main(arguments: list[str]) -> None:
    """Watch until stdin ends."""
    root, state = Path(arguments[0]), Path(arguments[1])
    settle_s, poll_s = (float(text) for text in arguments[2:4])
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    with Store.open(state) as store:
        began_s, busy_s = time.monotonic(), time.process_time()
        known = {
            relative: KnownFile(size_bytes, modified_ns, inode, state == "read")
            for relative, size_bytes, modified_ns, inode, state in store.known_looks(
                ROOT
            )
        }
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        settings = RootSettings(
            name=ROOT, path=root, settle_s=settle_s, poll_s=poll_s, ready=Ready.CLOSE
        )
        watch = FolderWatch(settings, known, events.put)
        watch.start()
        try:
            while watch.status.last_scan_s is None:
                time.sleep(0.005)
            whole_s = time.monotonic() - began_s
            busy_s = time.process_time() - busy_s
            scan_s = watch.status.last_scan_s
            _say(f"ready {scan_s:.3f} {whole_s:.3f} {busy_s:.3f} {events.qsize()}")
            _keep(store, events, ended)
        finally:
            watch.stop()


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _keep(
    store: Store, events: queue.SimpleQueue[Event], ended: threading.Event
) -> None:
    """Note what comes, many in one transaction, as the service does."""
    settled = 0
    while not ended.is_set():
        batch = _batch(events)
        if not batch:
            continue
        with store.transaction():
            for event in batch:
                settled += _note(store, event)
        _say(f"settled {settled}")


def _batch(events: queue.SimpleQueue[Event]) -> list[Event]:
    batch: list[Event] = []
    try:
        batch.append(events.get(timeout=0.1))
        while len(batch) < BATCH:
            batch.append(events.get_nowait())
    except queue.Empty:
        pass
    return batch


def _note(store: Store, event: Event) -> bool:
    if isinstance(event, Noticed | Settled):
        look = event.look
        row = store.note_file(
            event.root,
            event.relative,
            size_bytes=look.size_bytes,
            modified_ns=look.modified_ns,
            inode=look.inode,
        )
        if isinstance(event, Settled):
            store.set_file_state(row.id, "read")
            return True
    elif isinstance(event, Vanished):
        row_or_none = store.find_file(event.root, event.relative)
        if row_or_none is not None:
            store.set_file_state(row_or_none.id, "vanished", "the file is gone")
    return False


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
