"""Version series, and the packages that a spec uses; tests/contracts/faults has the messages about missing ones."""

from __future__ import annotations

import pytest

from cgkit.plugins import Plugins, PluginStatus
from cgkit.registry import Registries
from cgkit.spec import resolve_spec
from cgkit.spec.providers import providers_used
from cgkit.spec.requirements import compatible, complete_requirements, is_same_series, read_requirement
from tests.spec.conftest import Resnet, Tracker

USING_BOTH = {"generator": {"b2a": {"name": "linear"}}, "tracker": [{"name": "silent"}]}


class TestTheProvidersOfASpec:
    @pytest.fixture(autouse=True)
    def _packages(self, plugins: Plugins) -> None:
        for package, version, kind, name, component in (
            ("cgkit-linear", "1.2", "generators", "linear", Resnet),
            ("cgkit-silent", "0.3", "trackers", "silent", Tracker),
        ):
            registries = Registries(package)
            registries[kind].add(name, component)
            plugins.registries.merge(registries)
            plugins.statuses.append(PluginStatus(package, package, version))

    def test_are_the_packages_of_its_components_with_their_versions(self, plugins):
        spec = resolve_spec(USING_BOTH, plugins)
        assert providers_used(spec, plugins) == {"cgkit-linear": "1.2", "cgkit-silent": "0.3"}

    def test_do_not_include_cgkit_or_packages_that_are_only_installed(self, plugins):
        assert providers_used(resolve_spec({}, plugins), plugins) == {}

    def test_can_leave_out_tables(self, plugins):
        spec = resolve_spec(USING_BOTH, plugins)
        assert providers_used(spec, plugins, without=("generator",)) == {"cgkit-silent": "0.3"}

    def test_are_added_to_what_the_resolved_spec_requires(self, plugins):
        spec = resolve_spec(USING_BOTH, plugins)
        assert spec.requires == ("cgkit-linear>=1.2,<2", "cgkit-silent>=0.3,<0.4")
        assert resolve_spec(spec.to_json(), plugins) == spec
        assert "requires" not in resolve_spec({}, plugins).to_json()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("1.2", "1.9.4", True),
        ("1.2", "2.0", False),
        ("0.3.1", "0.3.9", True),
        ("0.3", "0.4", False),
        ("0.9", "1.0", False),
        ("2.0rc1", "2.0", True),
        ("2024.1", "2024.7", True),
        ("", "1.0", True),
        ("1.0", "of my own", True),
    ],
)
def test_a_series_is_a_major_version_or_a_minor_one_while_the_major_one_is_0(first, second, same):
    assert is_same_series(first, second) is same
    assert is_same_series(second, first) is same


@pytest.mark.parametrize("version", ["1.2", "1.2.3", "0.3.1", "2.0rc1", "1.3.dev2", "0.0.1", "1.0+local", "4", "1!2.3"])
def test_a_version_meets_its_own_requirement(version):
    requirement = read_requirement(compatible("cgkit-x", version))
    assert requirement.name == "cgkit-x"
    assert requirement.specifier.contains(version, prereleases=True)


@pytest.mark.parametrize(
    ("version", "following"), [("1.2", "2.0"), ("0.3.1", "0.4"), ("2.0rc1", "3.0"), ("0.0.1", "0.1"), ("4", "5.0")]
)
def test_the_next_series_does_not_meet_the_requirement_of_a_version(version, following):
    requirement = read_requirement(compatible("cgkit-x", version))
    assert not requirement.specifier.contains(following, prereleases=True)


def test_a_package_without_a_valid_version_is_required_by_its_name_alone():
    assert compatible("cgkit-x", "of my own") == "cgkit-x"
    assert complete_requirements(["Cgkit_A == 1"], {"cgkit-a": "2.0", "cgkit-b": "of my own", "mine.py": ""}) == [
        "Cgkit_A == 1",
        "cgkit-b",
    ]
