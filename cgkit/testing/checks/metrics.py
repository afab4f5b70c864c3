"""What is asked of metrics, whatever they compare translations with."""

from __future__ import annotations

from typing import Any, get_args

import torch
from torch import Tensor

from cgkit.contracts import Compared
from cgkit.data.randomness import seeded
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import compared, run_metric


@check("metrics")
def metrics_say_what_they_compare(subject: Subject) -> None:
    """It compares translations with something that there is, and says whether higher or lower is better, or neither."""
    metric = subject.build()
    known = get_args(Compared)
    assert compared(metric) in known, f"compares {compared(metric)!r}, not one of {', '.join(known)}"
    better = getattr(metric, "better", None)
    assert better in ("higher", "lower", None), f"its attribute better is {better!r}, not higher or lower"
    extractor = getattr(metric, "extractor", None)
    assert extractor is None or isinstance(extractor, str), f"its attribute extractor is {extractor!r}, not a text"
    enough = getattr(metric, "enough", 0)
    assert isinstance(enough, int), f"its attribute enough is {enough!r}, not a number of images"


@check("metrics")
def metrics_give_a_number_an_image(subject: Subject) -> None:
    """It returns (N,) finite numbers, for colour and for grey images, equal and different."""
    metric = subject.build()
    if compared(metric) == "domain":
        raise NotApplicableError
    for channels in (3, 1):
        one, other = _noise(channels)
        for what, first, second in (("noise", one, other), ("equal images", one, one.clone())):
            made = _shown(metric, first, second)
            assert isinstance(made, Tensor), f"returns a {type(made).__name__} in place of a tensor"
            assert made.shape == (3,), f"returns shape {tuple(made.shape)} for 3 images, where (3,) is expected"
            assert torch.isfinite(made).all(), f"is not finite for {what}"


@check("metrics")
def metrics_of_sets_give_one_number(subject: Subject) -> None:
    """It returns one row of finite features an image, whatever the others are, and one finite number for two sets."""
    metric = subject.build()
    if compared(metric) != "domain":
        raise NotApplicableError
    for channels in (3, 1):
        one, other = _noise(channels)
        features = metric.features(one)
        assert isinstance(features, Tensor), f"features are a {type(features).__name__} in place of a tensor"
        assert features.ndim == 2, f"features have shape {tuple(features.shape)} for 3 images, not (3, D)"
        assert len(features) == 3, f"features have shape {tuple(features.shape)} for 3 images, not (3, D)"
        assert torch.isfinite(features).all(), "features are not finite for noise"
        alone = torch.cat([metric.features(one[[index]]) for index in range(3)])
        assert torch.allclose(features, alone, atol=1e-3, rtol=1e-3), "features depend on the others of the batch"
        for what, made, real in (("noise", one, other), ("equal sets", one, one), ("sets of two", one[:2], other)):
            number = _shown(metric, made, real)
            assert isinstance(number, Tensor), f"returns a {type(number).__name__} in place of a tensor"
            assert number.shape == (), f"returns shape {tuple(number.shape)} for two sets, where a scalar is due"
            assert torch.isfinite(number), f"is not finite for {what}"


@check("metrics")
def metrics_tell_good_from_bad(subject: Subject) -> None:
    """Equal images have another number than different ones, and each image its own."""
    metric = subject.build()
    one, _ = _noise(3)
    mixed = one.clone()
    mixed[1] = 1 - mixed[1].roll(5, -1)
    equal, half = _shown(metric, one.clone(), one), _shown(metric, mixed, one)
    assert not torch.equal(equal, half), "gives equal and different images the same number"
    if compared(metric) == "domain":
        return
    alone = torch.cat([_shown(metric, mixed[[index]], one[[index]]) for index in range(3)])
    assert torch.allclose(half, alone, atol=1e-4), "the number of an image depends on the others of its batch"


def _noise(channels: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    one, other = (torch.rand(3, channels, 32, 48, generator=draws) for _ in range(2))
    return one, other


def _shown(metric: Any, translations: Tensor, others: Tensor) -> Any:
    with seeded(0):
        return run_metric(metric, translations, others)
