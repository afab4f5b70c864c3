"""A run is resumed only with the same spec, the same images and compatible plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cgkit.errors import DataError, PluginError, SpecError
from cgkit.models.provenance import refuse_other_plugins
from cgkit.plugins import Plugins, PluginStatus, load_plugins
from cgkit.registry import Registries
from cgkit.runs.resume import refuse_other_data, refuse_other_spec
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.providers import providers_used
from cgkit.spec.requirements import compatible, completed, is_same_series, read_requirement

FOLDER = Path("runs/x")


def linear(in_channels: int, out_channels: int) -> None:
    """A generator that is never built."""


def silent(folder: Path) -> None:
    """A tracker that is never built."""


@pytest.fixture
def plugins() -> Plugins:
    """What is built in, and two packages: version 1.2 of one with a generator, 0.3 of one with a tracker."""
    plugins = load_plugins(installed=False)
    provide(plugins, "cgkit-linear", "1.2", generators=linear)
    provide(plugins, "cgkit-silent", "0.3", trackers=silent)
    return plugins


def provide(plugins: Plugins, distribution: str, version: str, **components: Any) -> None:
    """Add a package whose components have the names of their functions."""
    registries = Registries(distribution)
    for kind, component in components.items():
        registries[kind].add(component.__name__, component)
    plugins.registries.merge(registries)
    plugins.statuses.append(PluginStatus(distribution, distribution, version))


def spec(plugins: Plugins, **values: Any) -> Spec:
    return resolve_spec(values, plugins)


USING_BOTH: dict[str, Any] = {"generator": {"b2a": {"name": "linear"}}, "tracker": [{"name": "silent"}]}


class TestTheProvidersOfASpec:
    def test_are_those_of_its_components_with_their_versions(self, plugins: Plugins) -> None:
        assert providers_used(spec(plugins, **USING_BOTH), plugins) == {"cgkit-linear": "1.2", "cgkit-silent": "0.3"}

    def test_do_not_count_what_is_built_in_or_merely_installed(self, plugins: Plugins) -> None:
        assert providers_used(spec(plugins), plugins) == {}

    def test_may_leave_out_tables(self, plugins: Plugins) -> None:
        assert providers_used(spec(plugins, **USING_BOTH), plugins, without=("generator",)) == {"cgkit-silent": "0.3"}

    def test_complete_what_the_spec_requires(self, plugins: Plugins) -> None:
        resolved = spec(plugins, **USING_BOTH)
        assert resolved.requires == ("cgkit-linear>=1.2,<2", "cgkit-silent>=0.3,<0.4")
        assert resolve_spec(resolved.to_json(), plugins) == resolved
        assert "requires" not in spec(plugins).to_json()


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


class TestPluginsThatContinue:
    def refusal(self, made_with: dict[str, str] | None, plugins: Plugins) -> str:
        with pytest.raises(PluginError) as caught:
            refuse_other_plugins(made_with, spec(plugins, **USING_BOTH), plugins, FOLDER)
        assert caught.value.exit_code == 4
        return str(caught.value)

    def test_are_the_same_ones(self, plugins: Plugins) -> None:
        made_with = {"cgkit-linear": "1.2", "cgkit-silent": "0.3"}
        assert refuse_other_plugins(made_with, spec(plugins, **USING_BOTH), plugins, FOLDER) is None

    def test_may_be_of_another_version_of_the_series_which_is_told_in_one_line(self, plugins: Plugins) -> None:
        made_with = {"cgkit-linear": "1.9.1", "cgkit-silent": "0.3.2"}
        told = refuse_other_plugins(made_with, spec(plugins, **USING_BOTH), plugins, FOLDER)
        assert told == "runs/x was made with cgkit-linear 1.9.1 (now 1.2), cgkit-silent 0.3.2 (now 0.3)"

    def test_are_refused_all_at_once_where_the_series_is_another(self, plugins: Plugins) -> None:
        linear_line, silent_line = self.refusal({"cgkit-linear": "2.0", "cgkit-silent": "0.2"}, plugins).splitlines()
        assert "cgkit-linear 2.0, and 1.2 is installed" in linear_line
        assert linear_line.endswith('pip install "cgkit-linear>=2.0,<3"')
        assert silent_line.endswith('pip install "cgkit-silent>=0.2,<0.3"')

    def test_are_refused_where_what_is_learned_would_come_from_another_package(self, plugins: Plugins) -> None:
        refusal = self.refusal({"cgkit-old": "3.1", "cgkit-silent": "0.3"}, plugins)
        assert refusal == (
            "runs/x was made with cgkit-old 3.1, which is not installed, and without cgkit-linear;"
            ' pip install "cgkit-old>=3.1,<4"'
        )
        assert "without cgkit-linear" in self.refusal({}, plugins)

    def test_may_watch_without_having_watched_before(self, plugins: Plugins) -> None:
        assert refuse_other_plugins({"cgkit-linear": "1.2"}, spec(plugins, **USING_BOTH), plugins, FOLDER) is None

    def test_need_not_be_there_where_the_spec_does_not_use_them_any_more(self, plugins: Plugins) -> None:
        assert (
            refuse_other_plugins({"cgkit-gone": "1.0", "cgkit-linear": "7.0"}, spec(plugins), plugins, FOLDER) is None
        )

    def test_are_taken_where_the_folder_does_not_say(self, plugins: Plugins) -> None:
        assert refuse_other_plugins(None, spec(plugins, **USING_BOTH), plugins, FOLDER) is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("1.2", "1.9.4", True),
        ("1.2", "2.0", False),
        ("0.3.1", "0.3.9", True),
        ("0.3", "0.4", False),
        ("0.9", "1.0", False),
        ("2.0rc1", "2.0", True),
        ("1!1.0", "1.0", False),
        ("2024.1", "2024.7", True),
        ("", "1.0", True),
        ("1.0", "of my own", True),
    ],
)
def test_a_series_is_a_first_number_or_a_second_one_after_nought(first: str, second: str, same: bool) -> None:
    assert is_same_series(first, second) is same
    assert is_same_series(second, first) is same


@pytest.mark.parametrize("version", ["1.2", "1.2.3", "0.3.1", "2.0rc1", "1.3.dev2", "1!2.3", "0.0.1", "1.0+local", "4"])
def test_a_version_meets_the_requirement_that_is_made_of_it_and_the_next_series_does_not(version: str) -> None:
    requirement = read_requirement(compatible("cgkit-x", version))
    assert requirement.name == "cgkit-x"
    assert requirement.specifier.contains(version, prereleases=True)
    release = version.replace("1!", "").partition("+")[0].split(".")
    epoch = "1!" if "!" in version else ""
    following = f"0.{int(release[1]) + 1}" if release[0] == "0" else f"{int(release[0]) + 1}.0"
    assert not requirement.specifier.contains(f"{epoch}{following}", prereleases=True)


def test_a_package_without_a_sound_version_is_required_by_its_name_alone() -> None:
    assert compatible("cgkit-x", "of my own") == "cgkit-x"
    assert completed(["Cgkit_A == 1"], {"cgkit-a": "2.0", "cgkit-b": "of my own", "mine.py": ""}) == [
        "Cgkit_A == 1",
        "cgkit-b",
    ]


def test_other_images_are_refused() -> None:
    refuse_other_data({"a": "1", "b": "2"}, {"a": "1", "b": "2"})
    refuse_other_data({}, {"a": "1"})
    with pytest.raises(DataError, match="domain b have changed"):
        refuse_other_data({"a": "1", "b": "2"}, {"a": "1", "b": "3"})
