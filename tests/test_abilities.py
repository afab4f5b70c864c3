"""Optional abilities: what a component declares, and what holds if it declares nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from cgkit import abilities

NOTHING = SimpleNamespace()


def penalty(*_: Any) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("ask", "declared", "answer", "default"),
    [
        (abilities.stride_of, {"stride": 4}, 4, 1),
        (abilities.initialises_itself, {"initialises_itself": True}, True, False),
        (abilities.remembers_images, {"remembers_images": True}, True, False),
        (abilities.wants_real_logits, {"wants_real_logits": True}, True, False),
        (abilities.penalty_of, {"penalty": penalty}, penalty, None),
        (abilities.observer_of, {"observe": penalty}, penalty, None),
        (abilities.role_of, {"role": "data"}, "data", None),
        (abilities.scaler_of, {"scaled_size": penalty}, penalty, None),
        (abilities.order_of, {"order": penalty}, penalty, None),
        (abilities.ignored_by, {"ignored": {"photos": "1 .gif"}}, {"photos": "1 .gif"}, {}),
        (abilities.domain_names_of, {"names": ("horse", "zebra")}, ("horse", "zebra"), None),
        (abilities.compared_by, {"compares": "source"}, "source", "truth"),
        (abilities.better_of, {"better": "higher"}, "higher", None),
        (abilities.extractor_of, {"extractor": "a network"}, "a network", None),
        (abilities.enough_images, {"enough": 50}, 50, 0),
        (abilities.recogniser_of, {"recognise": penalty}, penalty, None),
        (abilities.publisher_of, {"published_tensors": penalty}, penalty, None),
    ],
)
def test_an_ability_is_what_is_declared_or_its_default(ask: Any, declared: dict[str, Any], answer: Any, default: Any):
    assert ask(SimpleNamespace(**declared)) == answer
    assert ask(NOTHING) == default


def test_the_stride_of_a_convolution_is_no_stride_of_a_generator() -> None:
    class Mixer(nn.Conv2d):
        """A generator that inherits from a layer."""

    assert abilities.stride_of(Mixer(3, 3, 1)) == 1


def test_a_framing_and_a_component_may_depend_on_the_size() -> None:
    assert abilities.smallest_image(NOTHING, (64, 48)) == (1, 1)
    assert abilities.smallest_image(SimpleNamespace(smallest=lambda size: size), (64, 48)) == (64, 48)
    assert abilities.recommended_options(NOTHING, (64, 48)) == {}
    assert abilities.recommended_options(SimpleNamespace(recommended=lambda size: {"blocks": size[0]}), (64, 48)) == {
        "blocks": 64
    }


def test_a_network_mixes_samples_if_one_of_its_modules_does() -> None:
    class Mixing(nn.Identity):
        mixes_samples = True

    assert abilities.mixes_samples(nn.Sequential(nn.ReLU(), Mixing()))
    assert abilities.mixes_samples(nn.BatchNorm2d(3))
    assert not abilities.mixes_samples(nn.BatchNorm2d(3).eval())
    assert not abilities.mixes_samples(nn.GroupNorm(3, 3))
