"""What the best schedule could do, and the device without any work of ours."""

from __future__ import annotations

from ._heat_device import Device
from ._heat_traces import LIMIT_C, HeatTrace
from ._heat_world import GRID_S


def best_work_s(trace: HeatTrace) -> float:
    """Seconds of work of the best schedule there is, which knows the device.

    Always as much as keeps the next step below the limit: with heat that only flows
    from hot to cold, staying as hot as allowed carries the most heat away, so no
    schedule does more.
    """
    device = Device(trace.device, trace.ambient_c[0], GRID_S)
    worked_s = 0.0
    for ambient_c, tenant, fan in zip(
        trace.ambient_c, trace.tenant, trace.fan, strict=True
    ):
        load = device.most_load(LIMIT_C, tenant, ambient_c, fan)
        device.step(tenant + load, ambient_c, fan)
        worked_s += load * GRID_S
    return worked_s


def highest_at_rest_c(trace: HeatTrace) -> float:
    """Where air and tenant alone bring the device."""
    device = Device(trace.device, trace.ambient_c[0], GRID_S)
    return max(
        device.step(tenant, ambient_c, fan)
        for ambient_c, tenant, fan in zip(
            trace.ambient_c, trace.tenant, trace.fan, strict=True
        )
    )
