"""A folder can be continued with plugins that interpret its spec as those that it was made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cgkit.errors import PluginError
from cgkit.models.provenance import made_with, refuse_other_plugins
from cgkit.plugins import Plugins
from cgkit.spec import Spec, resolve_spec
from tests.packaged_components import USING_BOTH, load_with_two_packages

FOLDER = Path("runs/x")


@pytest.fixture
def plugins() -> Plugins:
    return load_with_two_packages()


@pytest.fixture
def spec(plugins: Plugins) -> Spec:
    """A spec that uses a component of each package."""
    return resolve_spec(USING_BOTH, plugins)


def refusal(before: dict[str, str], spec: Spec, plugins: Plugins) -> str:
    with pytest.raises(PluginError) as caught:
        refuse_other_plugins(before, spec, plugins, FOLDER)
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_the_same_versions_are_accepted(plugins: Plugins, spec: Spec) -> None:
    assert refuse_other_plugins({"cgkit-linear": "1.2", "cgkit-silent": "0.3"}, spec, plugins, FOLDER) is None


def test_other_versions_of_the_same_series_are_accepted_with_a_warning(plugins: Plugins, spec: Spec) -> None:
    warning = refuse_other_plugins({"cgkit-linear": "1.9.1", "cgkit-silent": "0.3.2"}, spec, plugins, FOLDER)
    assert warning == "runs/x was made with cgkit-linear 1.9.1 (now 1.2), cgkit-silent 0.3.2 (now 0.3)"


def test_versions_of_another_series_are_all_refused_at_once(plugins: Plugins, spec: Spec) -> None:
    before = {"cgkit-linear": "2.0", "cgkit-silent": "0.2"}
    linear_line, silent_line = refusal(before, spec, plugins).splitlines()
    assert "cgkit-linear 2.0, but 1.2 is installed" in linear_line
    assert linear_line.endswith('pip install "cgkit-linear>=2.0,<3"')
    assert silent_line.endswith('pip install "cgkit-silent>=0.2,<0.3"')


def test_a_component_that_affects_training_cannot_come_from_another_package(plugins: Plugins, spec: Spec) -> None:
    assert refusal({"cgkit-old": "3.1", "cgkit-silent": "0.3"}, spec, plugins) == (
        'runs/x was made without cgkit-linear, which its spec now needs; pip install "cgkit-old>=3.1,<4"'
    )
    assert refusal({}, spec, plugins) == "runs/x was made without cgkit-linear, which its spec now needs"


def test_a_tracker_may_come_from_a_new_package(plugins: Plugins, spec: Spec) -> None:
    assert refuse_other_plugins({"cgkit-linear": "1.2"}, spec, plugins, FOLDER) is None


def test_a_package_that_the_spec_does_not_use_does_not_matter(plugins: Plugins) -> None:
    before = {"cgkit-gone": "1.0", "cgkit-linear": "7.0"}
    assert refuse_other_plugins(before, resolve_spec({}, plugins), plugins, FOLDER) is None


def test_a_folder_of_unknown_origin_is_accepted(plugins: Plugins, spec: Spec) -> None:
    assert refuse_other_plugins(None, spec, plugins, FOLDER) is None


@pytest.mark.parametrize("providers", [None, 3, [], {"cgkit-linear": 3}])
def test_malformed_providers_are_an_unknown_origin(providers: Any) -> None:
    assert made_with(providers) is None


def test_cgkit_itself_is_left_out_of_the_providers() -> None:
    assert made_with({"cgkit": "0.1.0", "cgkit-linear": "1.2"}) == {"cgkit-linear": "1.2"}
