"""Global perception feedback: soft gates kept of low rank by the trace norm (`gp`).

Fu, Wu, Dong, He: Global Perception Feedback Convolutional Neural Networks (2018), eqs. 4-12. Each channel's gates z (h x w)
pay for their trace norm, through g = (z z^T + mu I)^(1/2):

    z <- clip(z + alpha (dS/dz - lambda/2 (g^-1 z + g^-T z)), 0, 1)

from z's singular values gamma, the minor ones dropped:  g^-1 = U diag(1 / sqrt(gamma^2 + mu)) U^T.  The paper's eq. 11 prints
V diag(1 / sqrt(gamma + mu)) U^T, which does not follow from its eq. 8: g acts on rows, and the eigenvalues of z z^T are
gamma^2; ``inverse=printed`` has it to the letter, for square maps. lambda, mu and which values are minor are not in the
paper. The map is guided backprop under the final gates (§2.1); boxes are one per external contour (§3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadInput
from ..layers.arrays import Array, array_module
from ..layers.feedback import AtGates, gate_gradient, mean_magnitude, move_to
from .feedback import SOFT_OPTIONS, climb
from .guided import GUIDED
from .method import Answer, Method, Option, Question, reduce_option


def run(question: Question) -> Answer:
    return climb(question, climbed, GUIDED)


def climbed(at: AtGates, moved: Array, options: Mapping[str, Any]) -> Array | None:
    """One step of eq. 12, clipped to the constraint of eq. 3."""
    z, (down, gradient, sums) = at.z, gate_gradient(at)
    push = gradient if options["step"] == "literal" else gradient / mean_magnitude(gradient, sums, 1)
    if z.ndim == 5:  # gates of a fully connected layer have no rows and columns
        push = push - z.dtype.type(options["rank_weight"]) * trace_norm_slope(z, options)
    move_to(z, array_module(z).clip(z + z.dtype.type(options["rate"]) * push, 0, 1), moved)
    return down


def trace_norm_slope(z: Array, options: Mapping[str, Any]) -> Array:
    """(g^-1 z + g^-T z) / 2 for every channel's gates z (..., h, w)."""
    xp = array_module(z)
    # gates that all but closed (1e-36) keep LAPACK's iteration from converging: below one rounding of 1 they are closed
    u, gamma, vt = xp.linalg.svd(z * (z > xp.finfo(z.dtype).eps), full_matrices=False)
    kept = gamma >= options["minor"] * gamma.max(-1, keepdims=True)
    mu = options["smoothing"]
    if options["inverse"] == "derived":
        # U diag(1/sqrt(gamma^2 + mu)) U^T applied to U diag(gamma) V^T, symmetric: both halves are one
        return (u * (kept * gamma / xp.sqrt(gamma**2 + mu))[..., None, :]) @ vt
    if z.shape[-1] != z.shape[-2]:
        raise BadInput(f"inverse: found gates of {z.shape[-2:]}, expected square maps for the printed eq. 11")
    inverse = xp.swapaxes(vt, -1, -2) @ (xp.swapaxes(u, -1, -2) * (kept / xp.sqrt(gamma + mu))[..., None])
    return (inverse @ z + xp.swapaxes(inverse, -1, -2) @ z) / 2


METHOD = Method(
    name="gp",
    title="Global perception feedback",
    paper="Fu et al., Global Perception Feedback CNN, 2018, §2.2",
    equation="eqs. 10-12: z <- z + alpha (dS/dz - lambda/2 (g^-1 + g^-T) z)",
    run=run,
    options={
        **{name: option for name, option in SOFT_OPTIONS.items() if name != "sparsity"},
        "rank_weight": Option(10.0, "lambda; the paper does not give it: calibrated in repro/weak_localization.md"),
        "smoothing": Option(1e-3, "mu of eq. 8; the paper does not give it", least=1e-12),
        "minor": Option(0.01, "singular values below this part of the greatest are minor, and dropped", least=0),
        "inverse": Option("derived", "g^-1 as it follows from eq. 8, or as eq. 11 prints it", ("derived", "printed")),
        **reduce_option("max_abs"),
    },
)
