"""What is asked for the sake of torch.compile."""

from __future__ import annotations

import torch

from cgkit.testing.checks import NETWORKS, check
from cgkit.testing.subject import Subject, scales_of


@check(*NETWORKS)
def compiles(subject: Subject) -> None:
    """torch.compile traces it, with its gradient, and what comes out is the same.

    The backend is `aot_eager`, which needs no C++ compiler: what is tried is the tracing.
    """
    network, images = subject.network(), subject.images(dtype=torch.float32)
    torch.compiler.reset()
    try:
        compiled = torch.compile(network, backend="aot_eager", dynamic=False)
        expected, made = scales_of(network(images)), scales_of(compiled(images))
        torch.autograd.backward([one.sum() for one in made])
    finally:
        torch.compiler.reset()
    difference = max(float((one - other).detach().abs().max()) for one, other in zip(made, expected, strict=True))
    assert difference < 1e-3, f"compiled, it makes something else: it differs by {difference:.2g}"
