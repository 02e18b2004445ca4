"""`clemd doctor` shows which protections this machine really has."""

from __future__ import annotations

from clemd.reading import sandbox_report


def test_every_layer_is_reported_with_its_state() -> None:
    """A kernel without Landlock is told of, not failed on."""
    layers = {layer.name: layer for layer in sandbox_report()}

    assert {"landlock", "seccomp", "no-new-privileges", "limits"} <= set(layers)
    assert layers["no-new-privileges"].active
    assert all(layer.detail for layer in layers.values())
