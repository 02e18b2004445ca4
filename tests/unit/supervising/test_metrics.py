"""The numbers that tell whether the daemon keeps up."""

from __future__ import annotations

import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from clemd.supervising import Metrics


def test_what_is_counted_is_rendered() -> None:
    """A counter nobody can read is not one."""
    metrics = Metrics()
    metrics.files_seen.inc()
    metrics.reconcile_found.inc(3)
    metrics.oldest_waiting_s.set(4.5)
    metrics.last_byte_to_result_s.observe(2.5)

    families = text_string_to_metric_families(metrics.render().decode())
    values = {s.name: s.value for f in families for s in f.samples if not s.labels}

    assert values["clemd_files_seen_total"] == 1
    assert values["clemd_reconcile_found_total"] == 3
    assert values["clemd_oldest_waiting_seconds"] == 4.5
    assert values["clemd_last_byte_to_result_seconds_count"] == 1


def test_two_daemons_in_one_process_do_not_share_numbers() -> None:
    """Tests run several; the library's own registry would refuse the second."""
    first, second = Metrics(), Metrics()
    first.jobs_done.inc()

    assert b"clemd_jobs_done_total 1.0" in first.render()
    assert b"clemd_jobs_done_total 0.0" in second.render()


def test_the_supervisor_stays_slim() -> None:
    """It lives for months beside an instrument; images belong to the workers."""
    heavy = {"cv2", "tifffile", "scipy", "torch", "ome_types"}
    script = "import sys, clemd.supervising, clemd.thermal; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert heavy & set(done.stdout.split()) == set()
