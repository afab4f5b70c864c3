"""A run is resumed only with the same spec and the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cgkit.errors import DataError, SpecError
from cgkit.plugins import Plugins
from cgkit.registry import Registries
from cgkit.runs.continuing.resume import refuse_other_data, refuse_other_spec
from cgkit.spec import Spec, resolve_spec
from tests.packaged_components import USING_BOTH, linear, load_with_two_packages, provide

FOLDER = Path("runs/x")


@pytest.fixture
def plugins() -> Plugins:
    return load_with_two_packages()


def spec(plugins: Plugins, **values: Any) -> Spec:
    return resolve_spec(values, plugins)


class TestASpecThatContinues:
    def test_is_the_same_one_whatever_it_requires(self, plugins: Plugins) -> None:
        began = spec(plugins, **USING_BOTH).to_json()
        for requires in (None, ["cgkit-linear"], ["cgkit-linear>=1.1,<3", "cgkit"]):
            refuse_other_spec({**began, "requires": requires}, spec(plugins, **USING_BOTH), FOLDER, plugins)
        began.pop("requires")
        refuse_other_spec(began, spec(plugins, **USING_BOTH), FOLDER, plugins)

    def test_may_be_written_when_another_package_had_no_component_of_the_same_name(self, plugins: Plugins) -> None:
        values = {"generator": {"name": "linear"}}
        began = spec(plugins, **values)
        later = load_with_two_packages()
        provide(later, "cgkit-late", "1.2", generators=linear)
        resolved = resolve_spec(values, later, made_with={"cgkit-linear": "1.2"})
        assert "cgkit-linear/linear" in str(resolved.to_json())
        refuse_other_spec(began.to_json(), resolved, FOLDER, later)

    def test_may_be_used_with_a_namesake_of_a_built_in_component(self, plugins: Plugins) -> None:
        values = {"generator": {"name": "resnet", "blocks": 2}}
        began = spec(plugins, **values)
        later = load_with_two_packages()
        registries = Registries("cgkit-usurper")
        registries.generators.add("resnet", linear)
        later.registries.merge(registries)
        refuse_other_spec(began.to_json(), spec(later, **values), FOLDER, later)

    @pytest.mark.parametrize(
        ("values", "path"),
        [
            ({"generator": {"name": "unet"}}, "generator.a2b.name"),
            ({"seed": 4}, "seed"),
            ({"augmentation": [{"name": "flip"}, {"name": "flip"}]}, "augmentation"),
            ({"augmentation": []}, "augmentation"),
            ({"optimizer": {"name": "adamw"}}, "optimizer.generators.name"),
            ({"schedule": {"discriminators": {"name": "cosine"}}}, "schedule.discriminators.name"),
        ],
    )
    def test_is_refused_where_something_else_would_be_learned(
        self, plugins: Plugins, values: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(SpecError) as caught:
            refuse_other_spec(spec(plugins).to_json(), spec(plugins, **values), FOLDER, plugins)
        assert caught.value.exit_code == 2
        assert path in [problem.path for problem in caught.value.problems]

    def test_does_not_swap_one_package_for_another(self, plugins: Plugins) -> None:
        provide(plugins, "cgkit-late", "1.2", generators=linear)
        began = spec(plugins, generator={"name": "cgkit-linear/linear"}).to_json()
        with pytest.raises(SpecError, match=r"generator\.a2b\.name"):
            refuse_other_spec(began, spec(plugins, generator={"name": "cgkit-late/linear"}), FOLDER, plugins)


def test_a_key_that_did_not_exist_when_the_run_was_started_may_have_its_default(plugins: Plugins) -> None:
    written = resolve_spec({}, plugins).to_json()
    del written["train"]["image_pool"], written["objective"]["identity"]
    refuse_other_spec(written, resolve_spec({}, plugins), FOLDER, plugins)
    with pytest.raises(SpecError, match=r"train\.image_pool: was 50 .* now 10"):
        refuse_other_spec(written, resolve_spec({"train": {"image_pool": 10}}, plugins), FOLDER, plugins)


def test_other_images_are_refused() -> None:
    refuse_other_data({"a": "1", "b": "2"}, {"a": "1", "b": "2"})
    refuse_other_data({}, {"a": "1"})
    with pytest.raises(DataError, match="domain b have changed"):
        refuse_other_data({"a": "1", "b": "2"}, {"a": "1", "b": "3"})
