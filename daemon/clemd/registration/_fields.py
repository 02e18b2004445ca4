"""Double-angle gradient fields: structure without contrast.

For an image with gradient g = gx + i·gy the field is z = g² / (|g|² + level), smoothed
as a structure tensor. Doubling the angle makes z blind to the sign of contrast,
dividing by |g|² to its size; what is left is where edges run. Two images of one
specimen made by different physics share little else (reference: normalised gradient
fields, Haber & Modersitzki 2006; double angle, Granlund & Knutsson 1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as nn
from torch import Tensor

from clemd.geometry import compose, resizing
from clemd.model import Matrix, PreparedImage

from ._identities import demand_field

SIGMA_PX = 1.4
"""Scale of the derivative."""
RHO_PX = 1.0
"""Smoothing of the structure tensor."""
LOCAL_PX = 11.0
"""Radius over which the local gradient level is taken."""
POOLED_VALID = 0.7
"""Least valid part of a pooled pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field on its pixel grid."""

    z: Tensor
    """(3, height, width) float32: Re z, Im z, valid (0 or 1); |z| < 1."""
    from_full: Matrix
    """Px of the image as stored -> px of this grid."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return int(self.z.shape[1]), int(self.z.shape[2])


def field_of(
    image: PreparedImage,
    reduction: float,
    device: torch.device,
    smooth: float = 1.0,
    *,
    dtype: torch.dtype = torch.float32,
) -> Field:
    """The field of `image` sampled `reduction` times coarser than it is stored.

    `reduction` counts px of the full image per px of the field. `smooth` widens the
    derivative (variance) and the tensor smoothing alike.
    """
    h, w = image.mask.shape
    per_full = 1.0 / math.sqrt(abs(float(np.linalg.det(image.from_full[:2, :2]))))
    factor = max(reduction / per_full, 0.25)
    size = max(8, round(w / factor)), max(8, round(h / factor))
    area = cv2.INTER_AREA if factor > 1 else cv2.INTER_LINEAR
    layers = np.stack([cv2.resize(a, size, interpolation=area) for a in image.layers])
    valid = cv2.resize(image.mask.astype(np.float32), size, interpolation=area) > 0.99
    z = double_angle(
        torch.from_numpy(layers).to(dtype).to(device),
        torch.from_numpy(valid).to(device),
        SIGMA_PX * math.sqrt(smooth),
        RHO_PX * smooth,
    )
    grid = resizing((h, w), (size[1], size[0]))
    return Field(z=z, from_full=compose(grid, image.from_full))


def pooled(field: Field, factor: float) -> Field:
    """`field` on a grid `factor` times coarser.

    Edges found finely and compared coarsely tell places apart far better than edges
    found coarsely: which way the fine ones run survives the averaging.
    """
    if factor <= 1.05:
        return field
    shape = (round(field.shape[0] / factor), round(field.shape[1] / factor))
    smooth = blur(field.z[None, :2], 0.4 * factor)
    z = nn.interpolate(smooth, size=shape, mode="bilinear", align_corners=False)[0]
    share = nn.interpolate(field.z[None, 2:], size=shape, mode="area")[0]
    valid = (share > POOLED_VALID).float()
    grid = resizing(field.shape, shape)
    return Field(
        z=torch.cat([z * valid, valid]), from_full=compose(grid, field.from_full)
    )


def double_angle(layers: Tensor, valid: Tensor, sigma: float, rho: float) -> Tensor:
    """Field of `layers` (channels, height, width), whose tensors are summed.

    Returns (3, height, width): Re z, Im z, valid; zero mean over the valid part, so
    that a common texture direction does not vote for every shift.
    """
    reach = round(2 * sigma) + 1
    inside = valid[None, None].float()
    # a pixel counts only if every pixel its derivative looks at is specimen
    outside = nn.pad(1 - inside, (reach,) * 4, value=1.0)
    side = 2 * reach + 1  # a square is a row of columns, at a fraction of the work
    rows = nn.max_pool2d(outside, (1, side), stride=1)
    mask = (1 - nn.max_pool2d(rows, (side, 1), stride=1)).to(layers.dtype)
    smooth = blur(layers[:, None], sigma)
    gx = nn.pad(smooth, (1, 1, 0, 0), mode="replicate")
    gx = (gx[..., 2:] - gx[..., :-2]) * 0.5
    gy = nn.pad(smooth, (0, 0, 1, 1), mode="replicate")
    gy = (gy[..., 2:, :] - gy[..., :-2, :]) * 0.5
    tensor = torch.cat([gx * gx + gy * gy, gx * gx - gy * gy, 2 * gx * gy], 1)
    tensor = blur((tensor * _layer_weights(tensor, mask)).sum(0, keepdim=True), rho)
    power, cosine, sine = tensor[:, :1], tensor[:, 1:2], tensor[:, 2:]
    present = power[(mask > 0) & (power > 1e-12)]
    level = present.median() if present.numel() else power.new_tensor(1e-9)
    local = _local_mean(power, mask)
    gain = mask / (power + 0.5 * local + 0.5 * level + 1e-12)
    z = torch.cat([cosine, sine], 1) * gain
    count = mask.sum().clamp(min=1.0)
    z = z - (z.sum((2, 3), keepdim=True) / count) * mask
    demand_field(z)
    return torch.cat([z, mask], 1)[0]


def _local_mean(power: Tensor, mask: Tensor) -> Tensor:
    """Mean of the valid `power` around each px; so smooth that 4x4 blocks do."""
    h, w = power.shape[-2:]
    blocks = nn.avg_pool2d(
        torch.cat([power * mask, mask], 1), 4, ceil_mode=True, count_include_pad=False
    )
    wide = blur(blocks, LOCAL_PX / 4)
    level = wide[:, :1] / (wide[:, 1:] + 1e-3)
    grown = nn.interpolate(
        level, scale_factor=4.0, mode="bilinear", align_corners=False
    )
    return grown[..., :h, :w]


def _layer_weights(tensor: Tensor, mask: Tensor) -> Tensor:
    """Equal say for each layer, whatever its brightness: 1 / mean gradient energy."""
    energy = (tensor[:, :1] * mask).sum((2, 3), keepdim=True)
    return torch.where(energy > 0, mask.sum().clamp(min=1.0) / energy, 0.0)


def blur(stack: Tensor, sigma: float) -> Tensor:
    """Gaussian of `sigma` px, edges replicated; (n, c, height, width) in and out."""
    if sigma <= 0:
        return stack
    radius = max(1, math.ceil(3 * sigma))
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)]
    taps = [w / sum(weights) for w in weights]
    wide = nn.pad(stack, (radius, radius, 0, 0), mode="replicate")
    across = _weighed(wide, taps, 3)
    high = nn.pad(across, (0, 0, radius, radius), mode="replicate")
    return _weighed(high, taps, 2)


def _weighed(stack: Tensor, taps: list[float], dim: int) -> Tensor:
    """Weighed sum along `dim`; for one channel half the time of a convolution."""
    size = stack.shape[dim] - len(taps) + 1
    total = stack.narrow(dim, 0, size) * taps[0]
    for at, weight in enumerate(taps[1:], 1):
        total.add_(stack.narrow(dim, at, size), alpha=weight)
    return total


def turned(re: Tensor, im: Tensor, angle_rad: Tensor) -> tuple[Tensor, Tensor]:
    """The field after its image was turned by `angle_rad`: z · exp(2i·angle)."""
    c, s = torch.cos(2 * angle_rad), torch.sin(2 * angle_rad)
    return c * re - s * im, s * re + c * im
