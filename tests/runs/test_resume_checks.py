"""A run is resumed only with the same spec and the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cgkit.errors import DataError, SpecError
from cgkit.plugins import Plugins, load_plugins
from cgkit.registry import Registries
from cgkit.runs.resume import refuse_other_data, refuse_other_spec
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
            refuse_other_spec({**began, "requires": requires}, spec(plugins, **USING_BOTH), FOLDER)
        began.pop("requires")
        refuse_other_spec(began, spec(plugins, **USING_BOTH), FOLDER)

    @pytest.mark.parametrize(
        "values",
        [
            {"generator": {"name": "resnet", "blocks": 2}},
            {"augmentation": [{"name": "flip"}]},
            {"metric": [{"name": "l1"}], "data": {"source": "seasons", "size": 64}},
        ],
    )
    def test_may_have_to_say_whose_its_components_are_by_now(self, plugins: Plugins, values: dict[str, Any]) -> None:
        began = spec(plugins, **values)
        later = load_plugins(installed=False)
        for kind, name in (("generators", "resnet"), ("augmentations", "flip"), ("sources", "seasons")):
            later.registries[kind].merge(renamed(kind, name))
        resolved = resolve_spec(values, later, made_with={})
        assert "cgkit/" in str(resolved.to_json())
        refuse_other_spec(began.to_json(), resolved, FOLDER)
        refuse_other_spec(resolved.to_json(), began, FOLDER)

    @pytest.mark.parametrize(
        ("values", "path"),
        [
            ({"generator": {"name": "unet"}}, "generator.a2b.name"),
            ({"seed": 4}, "seed"),
            ({"augmentation": [{"name": "flip"}, {"name": "flip"}]}, "augmentation"),
            ({"augmentation": []}, "augmentation"),
        ],
    )
    def test_is_refused_where_something_else_would_be_learned(
        self, plugins: Plugins, values: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(SpecError) as caught:
            refuse_other_spec(spec(plugins).to_json(), spec(plugins, **values), FOLDER)
        assert caught.value.exit_code == 2
        assert path in [problem.path for problem in caught.value.problems]

    def test_does_not_swap_one_package_for_another(self, plugins: Plugins) -> None:
        provide(plugins, "cgkit-late", "1.2", generators=linear)
        began = spec(plugins, generator={"name": "cgkit-linear/linear"}).to_json()
        with pytest.raises(SpecError, match=r"generator\.a2b\.name"):
            refuse_other_spec(began, spec(plugins, generator={"name": "cgkit-late/linear"}), FOLDER)


def renamed(kind: str, name: str) -> Any:
    """Return a stranger's registry of a kind, with a component of that name."""
    registries = Registries("cgkit-usurper")
    registries[kind].add(name, linear)
    return registries[kind]


def test_a_key_that_did_not_exist_when_the_run_was_started_may_have_its_default(plugins: Plugins) -> None:
    written = resolve_spec({}, plugins).to_json()
    del written["train"]["image_pool"], written["objective"]["identity"]
    refuse_other_spec(written, resolve_spec({}, plugins), FOLDER)
    with pytest.raises(SpecError, match=r"train\.image_pool: was 50 .* now 10"):
        refuse_other_spec(written, resolve_spec({"train": {"image_pool": 10}}, plugins), FOLDER)


def test_other_images_are_refused() -> None:
    refuse_other_data({"a": "1", "b": "2"}, {"a": "1", "b": "2"})
    refuse_other_data({}, {"a": "1"})
    with pytest.raises(DataError, match="domain b have changed"):
        refuse_other_data({"a": "1", "b": "2"}, {"a": "1", "b": "3"})
