"""clemd watches two microscopes and lays their images over each other.

It notices each file an electron microscope and a light microscope export, finds
out which belong together, registers them, says how sure it is, and publishes the
result. Start reading at `clemd.model` (the facts), `clemd.app` (how the parts are
joined) and `clemd.registration` (how one image finds its place on the other).
"""

__version__ = "0.1.0"
