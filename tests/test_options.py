"""The options of a component are its keyword-only parameters, with types, bounds, defaults and descriptions."""

from __future__ import annotations

import dataclasses
import enum
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Optional

import pytest
import torch
from annotated_types import Ge, Le, MinLen

from cgkit.contracts import Generator, Schedule, kind_named
from cgkit.describe.component import describe
from cgkit.errors import DataError, PluginError, SpecError
from cgkit.options import REQUIRED, build, check_options, json_schemas_of, options_of, paths_among
from cgkit.plugins import Plugins, PluginStatus, load_plugins
from cgkit.registry import Component, Registries
from cgkit.spec import load_spec, resolve_spec
from cgkit.spec.schema import spec_schema

if TYPE_CHECKING:
    from decimal import Decimal


def component(target: Any, kind: str = "metric") -> Component:
    return Component(kind_named(kind), "odd", "cgkit-x", target, "")


def checked(target: Any, **values: Any) -> dict[str, Any]:
    valid, problems = check_options(component(target), values)
    assert problems == []
    return valid


def refused(target: Any, **values: Any) -> list[str]:
    _, problems = check_options(component(target), values)
    return [str(problem) for problem in problems]


class Many:
    def __init__(
        self,
        *,
        whole: Annotated[int, Ge(1), Le(9)] = 3,
        real: Annotated[float, Ge(0)] = 0.5,
        switch: bool = False,
        text: str = "x",
        choice: Literal["a", "b", 3] = "a",
        pair: tuple[int, int] = (1, 2),
        several: tuple[float, ...] = (),
        listed: list[str] | None = None,
        mapped: dict[str, float] | None = None,
        path: Path | None = None,
        perhaps: Optional[int] = None,  # noqa: UP045 - the older spelling works too
        either: int | Literal["auto"] = "auto",
        name_: Annotated[str, MinLen(2)] = "ab",
    ) -> None:
        self.values = {name: value for name, value in locals().items() if name != "self"}


DEFAULTS = {
    "whole": 3,
    "real": 0.5,
    "switch": False,
    "text": "x",
    "choice": "a",
    "pair": [1, 2],
    "several": [],
    "listed": None,
    "mapped": None,
    "path": None,
    "perhaps": None,
    "either": "auto",
    "name_": "ab",
}


def test_every_option_is_filled_in():
    assert checked(Many) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", 9),
        ("real", 2),
        ("switch", True),
        ("choice", 3),
        ("pair", [5, 6]),
        ("several", [1, 2.5]),
        ("listed", ["a"]),
        ("mapped", {"a": 1}),
        ("path", "/somewhere"),
        ("perhaps", 5),
        ("either", 5),
    ],
)
def test_a_value_of_the_right_type_is_accepted(name, value):
    assert checked(Many, **{name: value}) == {**DEFAULTS, name: value}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("whole", 0, "whole: should be greater than or equal to 1, got 0"),
        ("whole", 10, "whole: should be less than or equal to 9, got 10"),
        ("whole", True, "whole: should be a valid integer, got true"),
        ("whole", 1.0, "whole: should be a valid integer, got 1.0"),
        ("whole", "1", 'whole: should be a valid integer, got "1"'),
        ("real", "1", 'real: should be a valid number, got "1"'),
        ("real", True, "real: should be a valid number, got true"),
        ("switch", 1, "switch: should be a valid boolean, got 1"),
        ("text", 1, "text: should be a valid string, got 1"),
        ("choice", "c", "choice: should be 'a', 'b' or 3, got \"c\""),
        ("pair", [1], "pair.1: is required"),
        ("pair", [1, 2, 3], "pair: should have at most 2 items, not 3, got [1, 2, 3]"),
        ("pair", [1, "x"], 'pair.1: should be a valid integer, got "x"'),
        ("pair", 5, "pair: should be a valid array, got 5"),
        ("listed", "a", 'listed: should be a valid array, got "a"'),
        ("mapped", [], "mapped: should be a table, got []"),
        ("mapped", {"a.b": "x"}, 'mapped."a.b": should be a valid number, got "x"'),
        ("path", 5, "path: should be a valid string, got 5"),
        ("either", "x", "either: should be a valid integer or 'auto', got \"x\""),
        ("name_", "a", 'name_: should have at least 2 characters, got "a"'),
        ("hole", 1, 'hole: unknown key; did you mean "whole"?'),
    ],
)
def test_a_value_of_the_wrong_type_is_a_problem(name, value, problem):
    assert refused(Many, **{name: value}) == [problem]


def test_all_problems_are_reported():
    assert len(refused(Many, whole=0, real="x", hole=1)) == 3


def test_numbers_that_are_not_finite_are_refused():
    assert refused(Many, real=float("nan"))
    assert refused(Many, real=float("inf"))


def test_a_component_without_options_accepts_none():
    class Plain:
        def __init__(self) -> None:
            pass

    assert refused(Plain, x=1) == ["x: unknown key; known keys: name"]
    assert checked(Plain) == checked(type("Bare", (), {})) == {}


def test_other_keys_of_the_table_are_suggested_and_reserved():
    def metric(*, width: int = 1) -> None:
        pass

    _, (problem,) = check_options(component(metric), {"nam": 1})
    assert problem.hint == 'did you mean "name"?'


def test_a_required_option_must_be_given():
    def metric(*, rank: int) -> None:
        pass

    assert options_of(component(metric))["rank"].default is REQUIRED
    assert refused(metric) == ["rank: is required"]
    assert checked(metric, rank=1) == {"rank": 1}


def test_options_may_have_names_that_pydantic_reserves():
    def metric(
        *,
        schema: int = 1,
        copy: int = 2,
        json: int = 3,
        dict: int = 4,
        model_config: int = 5,
        model_fields: int = 6,
        model_dump: int = 7,
        validate: int = 8,
        construct: int = 9,
        fields: int = 10,
        self: int = 11,
        cls: int = 12,
        __x: int = 13,
    ) -> dict[str, int]:
        return locals()

    valid = checked(metric, schema=0, model_config=0)
    assert build(component(metric), options=valid) == valid
    assert (valid["schema"], valid["copy"], valid["model_config"]) == (0, 2, 0)


class TestASignature:
    """A component whose signature violates the contract is refused by name."""

    def refusal(self, target: Any, kind: str = "metric") -> str:
        with pytest.raises(PluginError) as caught:
            options_of(component(target, kind))
        assert f'{kind} "odd" of cgkit-x' in str(caught.value)
        return str(caught.value)

    def test_must_have_a_type_for_each_option(self):
        def metric(*, width=3):
            pass

        assert "option 'width' has no type" in self.refusal(metric)

    def test_must_name_each_option(self):
        def metric(**options: int) -> None:
            pass

        def another(*layers: int) -> None:
            pass

        assert "takes **options; give it an __init__ that names each option" in self.refusal(metric)
        assert "takes *layers" in self.refusal(another)

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_must_have_the_positional_parameters_of_its_kind(self, count):
        namespace: dict[str, Any] = {}
        exec(f"def generator({', '.join(f'x{n}' for n in range(count))}): pass", namespace)
        assert self.refusal(namespace["generator"], "generator").endswith(
            f"takes {count} positional arguments, but a generator is built with (in_channels, out_channels);"
            " put a * before the options"
        )

    def test_must_have_types_that_can_be_evaluated(self):
        def metric(*, width: Decimal = 3) -> None:  # type: ignore[assignment]
            pass

        def another(*, width: Ge.missing = 3) -> None:  # type: ignore[name-defined]
            pass

        assert "cannot be read: NameError: name 'Decimal' is not defined" in self.refusal(metric)
        assert "cannot be read: AttributeError" in self.refusal(another)

    def test_must_have_types_that_are_supported(self):
        class Custom:
            pass

        def metric(*, custom: Any = None) -> None:
            pass

        metric.__annotations__["custom"] = Custom
        with pytest.raises(PluginError, match='metric "odd" of cgkit-x: the type of an option is not supported'):
            check_options(component(metric), {})

    @pytest.mark.parametrize("default", [None, "x", 2.5, 10, object()])
    def test_must_have_defaults_of_the_right_type(self, default):
        def metric(*, width: Annotated[int, Le(9)] = default) -> None:
            pass

        with pytest.raises(
            PluginError, match='metric "odd" of cgkit-x: its default or recommended value of option width should be'
        ):
            check_options(component(metric), {})
        assert checked(metric, width=3) == {"width": 3}

    def test_must_have_defaults_with_a_json_value(self):
        def metric(*, width: Any = object()) -> None:  # noqa: B008
            pass

        with pytest.raises(PluginError, match="an option has no JSON value"):
            check_options(component(metric), {})

    def test_may_be_a_dataclass(self):
        @dataclasses.dataclass(kw_only=True)
        class Metric:
            width: int = 3

        assert checked(Metric) == {"width": 3}


class TestDescriptions:
    def meanings(self, target: Any) -> dict[str, str]:
        return {name: option.meaning for name, option in options_of(component(target)).items()}

    def test_are_read_from_the_docstring(self):
        class Metric:
            """A metric.

            More about it: with a colon.

            Args:
                width: channels of the
                    first layer: doubled at each
                    step.
                depth (int): how many layers.

                    A second paragraph.
                rate:
                    on a line of its own.

            Raises:
                other: is no option.
            """

            def __init__(self, *, width: int = 1, depth: int = 2, rate: float = 1.0, other: int = 1) -> None:
                pass

        assert self.meanings(Metric) == {
            "width": "channels of the first layer: doubled at each step.",
            "depth": "how many layers. A second paragraph.",
            "rate": "on a line of its own.",
            "other": "",
        }

    def test_may_be_in_the_docstring_of_init(self):
        class Metric:
            """A metric."""

            def __init__(self, *, width: int = 1) -> None:
                """Make one.

                Args:
                    width: channels.
                """

        assert self.meanings(Metric) == {"width": "channels."}

    def test_are_empty_without_a_docstring(self):
        def metric(*, width: int = 1) -> None:
            pass

        assert self.meanings(metric) == {"width": ""}


def test_paths_are_found_inside_other_types():
    def metric(
        *,
        plain: Path,
        optional: Path | None = None,
        annotated: Annotated[Path | None, "x"] = None,
        several: tuple[Path, ...] = (),
        text: str = "",
    ) -> None:
        pass

    assert paths_among(component(metric)) == {"plain", "optional", "annotated", "several"}


class TestBuilding:
    def test_passes_values_of_the_annotated_types(self):
        values = build(component(Many), options=checked(Many, path="/x", pair=[3, 4], real=1)).values
        assert values["path"] == Path("/x")
        assert values["pair"] == (3, 4)
        assert (values["real"], type(values["real"])) == (1.0, float)

    def test_passes_the_arguments_of_the_engine_by_position(self):
        def generator(in_channels: int, out_channels: int, *, width: int = 2) -> tuple[int, int, int]:
            return in_channels, out_channels, width

        assert build(component(generator, "generator"), 3, 1, options={}) == (3, 1, 2)

    @pytest.mark.parametrize("error", [ValueError("too small"), DataError("no images"), MemoryError()])
    def test_does_not_wrap_errors_for_the_user(self, error):
        def metric() -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            build(component(metric), options={})
        assert caught.value is error

    @pytest.mark.parametrize("error", [TypeError("oops"), ZeroDivisionError(), SystemExit(3), ImportError("no lpips")])
    def test_reports_other_exceptions_as_errors_of_the_plugin(self, error):
        def metric() -> None:
            raise error

        with pytest.raises(PluginError, match=f'metric "odd" of cgkit-x cannot be built: {type(error).__name__}'):
            build(component(metric), options={})

    def test_redirects_stdout_to_stderr(self, capsys):
        def metric() -> None:
            sys.stdout.write("loading weights")

        build(component(metric), options={})
        assert capsys.readouterr() == ("", "loading weights")


def test_a_module_without_an_init_has_no_options() -> None:
    class Plain(torch.nn.Module):
        """Does nothing."""

    assert options_of(component(Plain, "augmentation")) == {}
    assert isinstance(build(component(Plain, "augmentation"), options={}), Plain)
    with pytest.raises(PluginError, match="takes 0 positional arguments, but a generator is built with"):
        options_of(component(Plain, "generator"))
    torch.compile(Plain(), backend="eager")  # replaces nn.Module.__init__
    assert options_of(component(Plain, "augmentation")) == {}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Mode(enum.StrEnum):
    FAST = "fast"
    SLOW = "slow"


@dataclasses.dataclass(frozen=True)
class Box:
    width: int = 3


class Pair(NamedTuple):
    low: float = 0.0
    high: float = 1.0


STRUCTURED = {
    "an enum": (Colour, Colour.RED, "blue", Colour.BLUE, '"red" | "blue"'),
    "a string enum": (Mode, Mode.FAST, "slow", Mode.SLOW, '"fast" | "slow"'),
    "a dataclass": (Box, Box(), {"width": 5}, Box(5), "Box"),
    "a named tuple": (Pair, Pair(), [0.5, 0.75], Pair(0.5, 0.75), "Pair"),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_structured_types_work_everywhere(name: str):
    kind, default, written, expected, described = STRUCTURED[name]

    def schedule(*, option=default):
        return option

    schedule.__annotations__["option"] = kind
    registries = Registries()
    registries.schedules.add("odd", schedule)
    odd = registries.schedules["odd"]
    complete, problems = check_options(odd, {})
    assert problems == []
    assert build(odd, options=complete) == default
    assert build(odd, options=check_options(odd, {"option": written})[0]) == expected
    (problem,) = check_options(odd, {"option": 7.5})[1]
    assert problem.path.startswith("option")
    schemas, _ = json_schemas_of(odd)
    assert "option" in schemas
    plugins = Plugins(registries=registries)
    description = describe(odd, plugins)
    assert description.options[0].type == described
    snippet = tomllib.loads(description.snippet)["schedule"]
    assert build(odd, options={"option": snippet["option"]}) == default


def test_an_unknown_key_of_a_dataclass_is_reported():
    def metric(*, box: Box = Box()) -> None:
        pass

    metric.__annotations__["box"] = Box
    (problem,) = refused(metric, box={"widht": 1})
    assert problem.startswith("box.widht: unknown key")


def test_one_faulty_component_does_not_break_the_schema():
    def schedule(*, option: object = object()) -> None:
        pass

    plugins = load_plugins(installed=False)
    plugins.registries.schedules.add("faulty", schedule)
    with pytest.raises(PluginError, match="an option has no JSON Schema"):
        json_schemas_of(plugins.registries.schedules["faulty"])
    names = spec_schema(plugins)["properties"]["schedule"]["properties"]["name"]["enum"]
    assert {"faulty", "cosine"} <= set(names)


def test_an_option_called_like_a_key_of_its_table_is_refused_at_registration():
    def augmentation(*, domain: str = "a") -> None:
        pass

    with pytest.raises(PluginError, match="'odd' cannot be called 'domain', because its table in a spec has that key"):
        Registries("cgkit-x").augmentations.add("odd", augmentation)


class Slowed:
    """Another schedule, slower.

    Args:
        by: the factor.
        then: the other schedule.
        network: a network for each direction.
    """

    def __init__(self, *, then: Schedule, by: float = 0.5, network: Generator | None = None) -> None:
        self.then, self.by, self.network = then, by, network

    def __call__(self, step: int, steps: int, epoch_steps: int) -> float:
        return self.by * self.then(step, steps, epoch_steps)


class TestAnOptionThatNamesAComponent:
    @pytest.fixture
    def plugins(self):
        plugins = load_plugins(installed=False)
        other = Registries("cgkit-x")
        other.schedules.add("slowed", Slowed)
        plugins.registries.merge(other)
        return plugins

    def resolve(self, plugins, **schedule):
        return resolve_spec({"schedule": {"name": "slowed", **schedule}}, plugins).schedule.generators

    def test_is_resolved_with_all_of_its_options_and_built(self, plugins):
        inner = {"name": "slowed", "then": {"name": "constant"}, "by": 0.25}
        use = self.resolve(plugins, then=inner, network={"name": "unet", "width": 2})
        assert use.options["then"]["then"] == {"name": "constant"}
        assert use.options["network"]["depth"] == 8
        schedule = build(plugins.registries.schedules["slowed"], options=use.options)
        assert schedule(0, 10, 1) == 0.5 * 0.25
        # A kind that is built with arguments arrives as a function of these.
        assert isinstance(schedule.network(3, 1), torch.nn.Module)

    def test_has_problems_at_its_own_place(self, plugins):
        with pytest.raises(SpecError) as caught:
            self.resolve(plugins, then={"name": "cosine", "fnial": 1.0}, network={"name": "unte"})
        assert {problem.path for problem in caught.value.problems} == {
            "schedule.then.fnial",
            "schedule.network.name",
        }

    def test_belongs_to_the_packages_that_a_spec_requires(self, plugins):
        plugins.statuses.append(PluginStatus("x", "cgkit-x", "1.2"))
        spec = resolve_spec({"schedule": {"name": "warm-up", "then": {"name": "slowed", "then": {}}}}, plugins)
        assert spec.requires == ("cgkit-x>=1.2,<2",)

    def test_may_contain_paths_relative_to_the_spec(self, plugins, tmp_path):
        def weighted(*, file: Path) -> None:
            pass

        plugins.registries.schedules.add("weighted", weighted)
        (tmp_path / "spec.toml").write_text('[schedule]\nname = "slowed"\nthen = { name = "weighted", file = "x.bin" }')
        spec = load_spec(tmp_path / "spec.toml", plugins)
        assert spec.schedule.generators.options["then"]["file"] == str(tmp_path / "x.bin")
