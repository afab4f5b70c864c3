"""Checks of metrics."""

from __future__ import annotations

from typing import Any, get_args

import torch
from torch import Tensor

from cgkit.abilities import combiner_of, compared_by
from cgkit.contracts import Compared
from cgkit.data.randomness import seeded
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import run_metric


@check("metrics")
def metrics_say_what_they_compare(subject: Subject) -> None:
    """A metric's `compares` is one of the known values, and its `better` is "higher", "lower" or None."""
    metric = subject.build()
    known = get_args(Compared)
    assert compared_by(metric) in known, (
        f"its attribute compares is {compared_by(metric)!r}, not one of {', '.join(known)}"
    )
    better = getattr(metric, "better", None)
    assert better in ("higher", "lower", None), f"its attribute better is {better!r}, not higher or lower"
    extractor = getattr(metric, "extractor", None)
    assert extractor is None or isinstance(extractor, str), f"its attribute extractor is {extractor!r}, not a string"
    enough = getattr(metric, "enough", 0)
    assert isinstance(enough, int), f"its attribute enough is {enough!r}, not a number of images"


@check("metrics")
def metrics_give_a_number_an_image(subject: Subject) -> None:
    """A metric returns (N,) finite numbers for colour and for grey images, whether they are equal or different.

    If it has a method `combine`, it returns (N, D), which the method turns into a scalar.
    """
    metric = subject.build()
    if compared_by(metric) == "domain":
        raise NotApplicableError
    for channels in (3, 1):
        noise, other = _make_noise(channels)
        for name, translations, others in (("noise", noise, other), ("equal images", noise, noise.clone())):
            values = _compute(metric, translations, others)
            assert isinstance(values, Tensor), f"returns a {type(values).__name__} instead of a tensor"
            shape = tuple(values.shape)
            if (combine := combiner_of(metric)) is None:
                assert shape == (3,), f"returns shape {shape} for 3 images; expected (3,)"
            else:
                rows = values.ndim == 2 and len(values) == 3
                assert rows, f"returns shape {shape} for 3 images; expected (3, D), because it has a method combine"
                score = combine(values)
                assert isinstance(score, Tensor), f"combine returns a {type(score).__name__} instead of a tensor"
                assert score.shape == (), f"combine returns shape {tuple(score.shape)}; expected a scalar"
            assert torch.isfinite(values).all(), f"is not finite for {name}"


@check("metrics")
def metrics_of_sets_give_one_number(subject: Subject) -> None:
    """Features are one finite row per image, independent of the batch; the value for two sets is a finite number."""
    metric = subject.build()
    if compared_by(metric) != "domain":
        raise NotApplicableError
    for channels in (3, 1):
        noise, other = _make_noise(channels)
        features = metric.features(noise)
        assert isinstance(features, Tensor), f"features are a {type(features).__name__} instead of a tensor"
        rows = features.ndim == 2 and len(features) == 3
        assert rows, f"features have shape {tuple(features.shape)} for 3 images; expected (3, D)"
        assert torch.isfinite(features).all(), "features are not finite for noise"
        alone = torch.cat([metric.features(noise[[index]]) for index in range(3)])
        same = torch.allclose(features, alone, atol=1e-3, rtol=1e-3)
        assert same, "the features of an image depend on the rest of the batch"
        sets = (("noise", noise, other), ("equal sets", noise, noise), ("sets of two", noise[:2], other))
        for name, translations, others in sets:
            value = _compute(metric, translations, others)
            assert isinstance(value, Tensor), f"returns a {type(value).__name__} instead of a tensor"
            assert value.shape == (), f"returns shape {tuple(value.shape)} for two sets; expected a scalar"
            assert torch.isfinite(value), f"is not finite for {name}"


@check("metrics")
def metrics_tell_good_from_bad(subject: Subject) -> None:
    """Values differ between equal and different images, and an image's value is independent of the batch.

    For sets, the different images are almost black, so that they are far from noise in any features.
    """
    metric = subject.build()
    noise, _ = _make_noise(3)
    mixed = noise.clone() if compared_by(metric) != "domain" else noise * 0.1
    mixed[1] = 1 - mixed[1].roll(5, -1)
    equal, different = _compute(metric, noise.clone(), noise), _compute(metric, mixed, noise)
    assert not torch.equal(equal, different), "returns the same value for equal and different images"
    if compared_by(metric) == "domain":
        return
    alone = torch.cat([_compute(metric, mixed[[index]], noise[[index]]) for index in range(3)])
    assert torch.allclose(different, alone, atol=1e-4), "the value of an image depends on the rest of the batch"


def _make_noise(channels: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    first, second = (torch.rand(3, channels, 32, 48, generator=random) for _ in range(2))
    return first, second


def _compute(metric: Any, translations: Tensor, others: Tensor) -> Any:
    with seeded(0):
        return run_metric(metric, translations, others)
