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
            "oldest_waiting_seconds", "Age of the oldest file or pair without a result"
        )
        self.temperature_c = self._gauge(
            "temperature_celsius", "Temperature of the device; NaN when blind"
        )
        self.power_w = self._gauge("power_watts", "Power of the device; NaN = not told")
        self.duty = self._gauge(
            "duty_ratio", "Share of the time that a job may work now, 0 to 1"
        )
        self.power_limit_w = self._gauge(
            "power_limit_watts", "Power limit of the device; NaN = not told"
        )
        self.clock_limit_mhz = self._gauge(
            "clock_limit_mhz", "Clock that the device is kept below; NaN = none"
        )
        self.thermal_state = Gauge(
            "clemd_thermal_state",
            "1 for the state that holds",
            ["state"],
            registry=self.registry,
        )
        self.throttled_s = self._counter(
            "device_throttled_seconds", "Seconds in which the device slowed itself"
        )
        self.paused_s = self._counter(
            "job_paused_seconds", "Seconds that jobs stood still because of heat"
        )
        self.busy_s = self._counter("job_busy_seconds", "Seconds that jobs worked")
        self.jobs_deferred = self._counter(
            "jobs_deferred", "Jobs that had to wait because of heat"
        )
        self.jobs_on_cpu = self._counter(
            "jobs_moved_to_cpu", "Jobs that ran on the CPU instead of the device"
        )
        self.devices_set_aside = Counter(
            "clemd_device_set_aside",
            "Times that the device was set aside: it computed something wrong, "
            "or could not be used",
            ["cause"],
            registry=self.registry,
        )
        for cause in ("wrong", "unusable"):  # 0 is said too
            self.devices_set_aside.labels(cause)
        self.queue_depth = self._gauge("queue_depth", "Jobs that wait or run")
        self.free_bytes = self._gauge("free_bytes", "Free space of the state folder")
        self.last_byte_to_result_s = Histogram(
            "clemd_last_byte_to_result_seconds",
            "From a file's last byte to its published result",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def set_heat(
        self,
        *,
        state: str,
        temperature_c: float | None,
        power_w: float | None,
        duty: float,
        power_limit_w: float | None = None,
        clock_limit_mhz: float | None = None,
    ) -> None:
        """One look at the device."""
        unknown = float("nan")
        self.temperature_c.set(unknown if temperature_c is None else temperature_c)
        self.power_w.set(unknown if power_w is None else power_w)
        self.duty.set(duty)
        for gauge, value in (
            (self.power_limit_w, power_limit_w),
            (self.clock_limit_mhz, clock_limit_mhz),
        ):
            gauge.set(unknown if value is None else value)
        for name in ("cool", "warm", "hot", "blind"):
            self.thermal_state.labels(name).set(float(name == state))

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(f"clemd_{name}", meaning, registry=self.registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"clemd_{name}", meaning, registry=self.registry)
