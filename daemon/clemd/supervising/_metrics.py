"""Numbers for Prometheus, in a registry of their own."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300)


class Metrics:
    """Every number the daemon counts; one object per process, made by the app.

    Use the attributes directly: `metrics.files_seen.inc()`,
    `metrics.oldest_waiting_s.set(4.2)`, `metrics.last_byte_to_result_s.observe(3.1)`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.files_seen = self._counter("files_seen", "Files noticed in the roots")
        self.files_read = self._counter("files_read", "Files that became frames")
        self.files_refused = self._counter("files_refused", "Files never readable")
        self.reconcile_found = self._counter(
            "reconcile_found", "Files that only a scan found: events were lost"
        )
        self.jobs_queued = self._counter("jobs_queued", "Jobs put into the queue")
        self.jobs_done = self._counter("jobs_done", "Jobs that ended with a result")
        self.jobs_failed = self._counter("jobs_failed", "Job attempts that failed")
        self.bus_published = self._counter("bus_published", "Messages sent on the bus")
        self.oldest_waiting_s = self._gauge(
            "oldest_waiting_seconds", "Age of the oldest file without a result"
        )
        self.temperature_c = self._gauge(
            "temperature_celsius", "Temperature of the device; NaN when blind"
        )
        self.queue_depth = self._gauge("queue_depth", "Jobs that wait or run")
        self.free_bytes = self._gauge("free_bytes", "Free space of the state folder")
        self.last_byte_to_result_s = Histogram(
            "clemd_last_byte_to_result_seconds",
            "From a file's last byte to its published result",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(f"clemd_{name}", meaning, registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"clemd_{name}", meaning, registry=self.registry)
