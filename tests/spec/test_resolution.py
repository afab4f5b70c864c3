"""A resolved spec has every component with all options, and resolves to itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cgkit.errors import SpecError
from cgkit.plugins import Plugins, PluginStatus
from cgkit.registry import Registries
from cgkit.spec import load_spec, resolve_spec


def test_every_component_is_named_and_every_option_filled_in(load):
    assert load("[data]\nsize = 64").to_json() == {
        "name": "run",
        "seed": 0,
        "data": {
            "source": "seasons",
            "size": [64, 64],
            "channels": [3, 3],
            "background": [255, 255, 255],
            "alpha": "composite",
            "range": {},
            "depth": {},
            "pages": "single",
            "workers": "auto",
            "skip_damaged": False,
            "trained_scale": {},
            "count": 100,
        },
        "generator": {
            "a2b": {"name": "resnet", "width": 64, "blocks": 6, "norm": "instance"},
            "b2a": {"name": "resnet", "width": 64, "blocks": 6, "norm": "instance"},
        },
        "discriminator": {"a": {"name": "patch", "layers": 3}, "b": {"name": "patch", "layers": 3}},
        "adversarial_loss": {"name": "least-squares"},
        "cycle_loss": {"name": "l1"},
        "identity_loss": {"name": "l1"},
        "objective": {
            "adversarial": {"a2b": 1.0, "b2a": 1.0},
            "cycle": {"forward": 10.0, "backward": 10.0},
            "identity": {"a": 5.0, "b": 5.0},
        },
        "term": [],
        "augmentation": [{"name": "crop", "p": 0.5}, {"name": "flip", "p": 0.5}],
        "train": {
            "batch": 1,
            "accumulate": 1,
            "learning_rate": 0.0002,
            "discriminator_steps": 1,
            "image_pool": 50,
            "precision": "auto",
            "memory": "auto",
            "deterministic": True,
            "cuda_graph": True,
            "compile": "auto",
            "initialisation": 0.02,
        },
        "optimizer": {side: {"name": "adam", "betas": [0.5, 0.999]} for side in ("generators", "discriminators")},
        "schedule": {"generators": {"name": "linear"}, "discriminators": {"name": "linear"}},
        "checkpoint": {"every": 1000, "keep": 3},
        "samples": {"every": 500, "minutes": 10.0, "count": 4, "keep": 500},
        "log": {"every": 10, "patience": 30.0},
        "evaluation": {"count": 64, "seed": 0, "direction": "both"},
        "metric": [{"name": "psnr"}],
        "tracker": [{"name": "jsonl", "flush": True}],
    }


EXAMPLES = [
    "",
    'name = "x"\nseed = 9\n[data]\nsize = [32, 64]\nchannels = { a = 1, b = 3 }\n[objective]\nidentity = 0',
    '[generator]\nname = "needy"\nrank = 3\n[generator.b2a]\nname = "unet"',
    '[generator]\nblocks = 3\n[generator.a2b]\nwidth = 8\n[discriminator.b]\nname = "pixel"',
    'augmentation = []\nmetric = []\ntracker = [{ name = "board", flush = false }]',
    '[data]\nsource = "folder"\na = "x"\nb = "y"\nmore = ["z"]',
    'adversarial_loss = { name = "cgkit/hinge", margin = 2 }\ngenerator = { name = "cgkit/unet" }',
    "[objective]\ncycle = { forward = 10, backward = 0 }\nadversarial = 2\n[train]\nsteps = 5\nema = 0.9",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_resolving_a_resolved_spec_changes_nothing(load, plugins, text):
    spec = load(text)
    assert resolve_spec(spec.to_json(), plugins) == spec
    again = resolve_spec(json.loads(json.dumps(spec.to_json())), plugins)
    assert again.to_json() == spec.to_json()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seed": st.integers(0, 2**53),
            "data": st.fixed_dictionaries({}, optional={"size": st.integers(1, 512), "count": st.integers()}),
            "generator": st.fixed_dictionaries(
                {}, optional={"name": st.sampled_from(["resnet", "cgkit/resnet"]), "blocks": st.integers(1, 50)}
            ),
            "augmentation": st.lists(
                st.fixed_dictionaries({"name": st.sampled_from(["flip", "noise"])}, optional={"p": st.floats(0, 1)})
            ),
            "train": st.fixed_dictionaries({}, optional={"learning_rate": st.floats(1e-9, 10), "ema": st.none()}),
            "tracker": st.none() | st.just([{"name": "board"}]),
        },
    )
)
def test_resolving_is_idempotent(plugins, values: dict[str, Any]):
    values = {**values, "data": {k: v for k, v in values.get("data", {}).items() if k != "count" or abs(v) < 2**53}}
    spec = resolve_spec(values, plugins)
    assert resolve_spec(spec.to_json(), plugins) == spec


def test_problems_of_plain_values_have_no_file(plugins):
    with pytest.raises(SpecError) as caught:
        resolve_spec({"train": {"stepz": 1}, "generator": {"bloks": float("nan")}}, plugins)
    assert str(caught.value).split("\n") == [
        "generator.bloks: should be a finite number",
        'train.stepz: unknown key; did you mean "steps"?',
    ]


@pytest.mark.parametrize("values", [[], 5, None, "x"])
def test_values_that_are_not_a_table_are_refused(plugins, values):
    with pytest.raises(SpecError, match="should be a table"):
        resolve_spec(values, plugins)


def test_deeply_nested_values_are_refused(plugins):
    nested: dict[str, Any] = {}
    for _ in range(500):
        nested = {"x": nested}
    with pytest.raises(SpecError, match="nested too deeply"):
        resolve_spec({"generator": nested}, plugins)


class TestRecommendations:
    @pytest.mark.parametrize(("size", "blocks"), [("128", 6), ("256", 9), ("[256, 128]", 6), ("[512, 256]", 9)])
    def test_apply_to_options_that_the_spec_leaves_out(self, load, size, blocks):
        assert load(f"[data]\nsize = {size}").generator.a2b.options["blocks"] == blocks

    def test_do_not_override_the_spec(self, load):
        spec = load("[data]\nsize = 64\n[generator]\nblocks = 9\n[generator.b2a]\nblocks = 2")
        assert (spec.generator.a2b.options["blocks"], spec.generator.b2a.options["blocks"]) == (9, 2)

    @pytest.mark.parametrize(
        ("recommended", "reason"),
        [
            (lambda size: {"wdth": 3}, "wdth unknown key"),
            (lambda size: {"width": "x"}, "width should be a valid integer"),
            (lambda size: 5, "cannot recommend options: TypeError"),
            (lambda size: 1 / 0, "cannot recommend options: ZeroDivisionError"),
        ],
    )
    def test_that_are_invalid_are_errors_of_the_plugin(self, plugins, load, recommended, reason):
        class Odd:
            def __init__(self, in_channels: int, out_channels: int, *, width: int = 3) -> None:
                pass

        Odd.recommended = staticmethod(recommended)
        plugins.registries.generators.add("odd", Odd)
        with pytest.raises(SpecError, match=reason) as caught:
            load('[generator]\nname = "odd"')
        assert caught.value.exit_code == 4
        assert 'generator "odd" of cgkit' in str(caught.value)


class TestTheTwoNetworksOfAPair:
    def test_are_equal_by_default(self, load):
        generator = load("[generator]\nblocks = 4").generator
        assert generator.a2b == generator.b2a

    def test_may_differ_in_an_option(self, load):
        generator = load("[generator]\nblocks = 4\nwidth = 8\n[generator.b2a]\nblocks = 2").generator
        assert generator.a2b.options == {"width": 8, "blocks": 4, "norm": "instance"}
        assert generator.b2a.options == {"width": 8, "blocks": 2, "norm": "instance"}

    def test_may_be_different_components_without_common_options(self, load):
        generator = load('[generator]\nblocks = 4\n[generator.b2a]\nname = "unet"').generator
        assert (generator.a2b.options["blocks"], generator.b2a.options) == (4, {"depth": 8})

    @pytest.mark.parametrize("name", ["resnet", "cgkit/resnet"])
    def test_share_options_if_one_names_the_same_component(self, load, name):
        generator = load(f'[generator]\nblocks = 4\n[generator.b2a]\nname = "{name}"').generator
        assert generator.b2a.options["blocks"] == 4

    def test_may_be_different_discriminators_for_each_domain(self, load):
        discriminator = load('[discriminator]\nlayers = 2\n[discriminator.a]\nname = "pixel"').discriminator
        assert (discriminator.a.name, discriminator.b.name, discriminator.b.options) == (
            "pixel",
            "patch",
            {"layers": 2},
        )

    def test_report_a_shared_problem_once(self, problems):
        assert problems("[generator]\nblocks = 0") == [
            "spec.toml:2: generator.blocks: should be greater than or equal to 1, got 0"
        ]

    def test_report_a_problem_of_one_network_in_its_own_table(self, problems):
        assert problems('[generator]\nblocks = 3\n[generator.b2a]\nname = "unet"\nblocks = 3') == [
            "spec.toml:5: generator.b2a.blocks: unknown key; known keys: name, a2b, b2a, depth"
        ]
        assert problems('[generator.b2a]\nname = "needy"') == ["spec.toml:1: generator.b2a.rank: is required"]
        assert problems('[generator.b2a]\nname = "rennet"')[0].startswith(
            "spec.toml:2: generator.b2a.name: no generator"
        )

    def test_cannot_both_ignore_a_shared_option(self, problems):
        text = '[generator]\nblocks = 3\n[generator.a2b]\nname = "unet"\n[generator.b2a]\nname = "unet"'
        assert problems(text) == ["spec.toml:2: generator.blocks: is used by neither generator.a2b nor generator.b2a"]


class TestArrays:
    def test_may_be_empty(self, load):
        spec = load("augmentation = []\nmetric = []")
        assert (spec.augmentation, spec.metric) == ((), ())

    def test_of_trackers_always_contain_the_default_one(self, load):
        trackers = load('[[tracker]]\nname = "board"').tracker
        assert [use.name for use in trackers] == ["board", "jsonl"]

    @pytest.mark.parametrize("name", ["jsonl", "cgkit/jsonl"])
    def test_of_trackers_may_set_the_options_of_the_default_one(self, load, name):
        (tracker,) = load(f'[[tracker]]\nname = "{name}"\nflush = false').tracker
        assert tracker.options == {"flush": False}

    def test_have_problems_with_the_line_of_the_element(self, problems):
        assert problems('[[tracker]]\nname = "board"\n[[tracker]]\nname = "jsonl"\nflsh = 1') == [
            'spec.toml:5: tracker.1.flsh: unknown key; did you mean "flush"?'
        ]

    def test_of_metrics_and_trackers_cannot_contain_one_twice(self, problems):
        text = '[[metric]]\nname = "psnr"\n[[metric]]\nname = "cgkit/psnr"'
        assert problems(text) == ['spec.toml:3: metric.1: "psnr" is listed twice']

    def test_of_augmentations_may_contain_one_twice(self, load):
        assert len(load('augmentation = [{ name = "flip" }, { name = "flip", p = 1 }]').augmentation) == 2


class TestContradictions:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ('depth = { b = "float32" }', "data.depth: float32 needs data.range"),
            ('range = [0, 4095]\ndepth = "uint8"', "data.depth: uint8 cannot store data.range, 0 to 4095"),
            ('range = [-1, 1]\ndepth = "uint16"', "data.depth: uint16 cannot store data.range, -1 to 1"),
            (
                'alpha = "channel"',
                'data.alpha: "channel" needs 2 or 4 channels in a domain; for example data.channels = 4',
            ),
        ],
    )
    def test_image_formats_are_checked_together(self, problems, data, expected):
        line = 2 + data.count("\n")
        lines = problems(f"[data]\n{data}")
        assert lines[0].startswith(f"spec.toml:{line}: {expected.partition(':')[0]}")
        assert lines[0].endswith(expected.partition(": ")[2])

    def test_identity_needs_equal_channels(self, problems, load):
        expected = (
            "spec.toml:2: data.channels: the identity loss needs equal channels in both domains, but a has 1 and b"
            " has 3; set objective.identity = 0"
        )
        assert problems("[data]\nchannels = { a = 1, b = 3 }") == [expected]
        assert problems("[data]\nchannels = [1, 3]\n[objective]\nidentity = { a = 0, b = 1 }") == [expected]
        assert load("[data]\nchannels = [1, 3]\n[objective]\nidentity = 0").data.channels == (1, 3)

    def test_at_least_one_weight_is_not_zero(self, problems, load):
        assert problems("\n[objective]\nadversarial = 0\ncycle = 0\nidentity = 0") == [
            "spec.toml:2: objective: all weights are zero, so there is nothing to learn"
        ]
        assert load("[objective]\nadversarial = 0\ncycle = { backward = 0 }\nidentity = 0")


class TestAnUnknownComponent:
    def test_is_reported_with_a_suggestion(self, problems):
        assert problems('generator = { name = "rennet" }') == [
            'spec.toml:1: generator.name: no generator is called "rennet"; did you mean "resnet"?'
        ]
        assert problems('[data]\nsource = "video"') == [
            'spec.toml:2: data.source: no source is called "video"; available: folder, seasons'
        ]
        assert problems('[adversarial_loss]\nname = "cgkit-x/hinge"') == [
            'spec.toml:2: adversarial_loss.name: no adversarial loss is called "cgkit-x/hinge";'
            ' cgkit-x is not installed; pip install "cgkit-x"'
        ]

    def test_may_be_from_a_plugin_that_failed(self, plugins, problems, load):
        plugins.statuses.append(PluginStatus("x", "cgkit-x", "1", "failed", "ImportError: no luck"))
        assert load("")
        for name in ("video", "reznet"):
            (problem,) = problems(f'generator = {{ name = "{name}" }}')
            assert "cgkit-x could not be loaded: ImportError: no luck" in problem

    def test_has_the_exit_code_of_a_plugin_error_if_one_failed(self, plugins, load):
        plugins.statuses.append(PluginStatus("x", "cgkit-x", "1", "failed", "ImportError: no luck"))
        with pytest.raises(SpecError) as caught:
            load("[generator]\nname = 'video'\n[train]\nstepz = 1")
        assert caught.value.exit_code == 4

    def test_may_be_from_a_blocked_plugin(self, plugins, problems):
        plugins.statuses.append(PluginStatus("x", "cgkit-x", "1", "blocked", "not in CGKIT_PLUGINS"))
        assert "cgkit-x is blocked: not in CGKIT_PLUGINS" in problems('[[metric]]\nname = "lpips"')[0]


class TestANameWithTwoProviders:
    @pytest.fixture
    def with_another_resnet(self, plugins: Plugins) -> Plugins:
        class Other:
            def __init__(self, in_channels: int, out_channels: int, *, heads: int = 2) -> None:
                pass

        for provider, names in (("cgkit-x", ["resnet", "swin"]), ("cgkit-y", ["swin"])):
            registries = Registries(provider)
            for name in names:
                registries.generators.add(name, Other)
            plugins.registries.merge(registries)
        return plugins

    def test_is_a_problem_that_names_both(self, with_another_resnet, problems):
        assert problems('[generator]\nname = "swin"') == [
            'spec.toml:2: generator.name: generator "swin" is provided by several packages;'
            ' write "cgkit-x/swin" or "cgkit-y/swin"'
        ]

    def test_means_the_built_in_component_if_there_is_one(self, with_another_resnet, load):
        assert load('[generator]\nname = "resnet"').generator.a2b.options["blocks"] == 9

    def test_can_be_qualified(self, with_another_resnet, load):
        assert load('[generator]\nname = "cgkit-x/resnet"').generator.a2b.options == {"heads": 2}
        assert load('[generator]\nname = "cgkit/resnet"').generator.a2b.name == "cgkit/resnet"

    def test_does_not_change_the_default(self, with_another_resnet, load, plugins):
        spec = load("")
        assert spec.generator.a2b.name == "resnet"
        assert resolve_spec(spec.to_json(), plugins) == spec


def test_a_component_that_cannot_be_imported_is_an_error_of_the_plugin(plugins, load):
    plugins.registries.generators.add("broken", "cgkit_no_such_module:Generator")
    with pytest.raises(SpecError, match="No module named 'cgkit_no_such_module'") as caught:
        load('\n[generator]\nname = "broken"')
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith('spec.toml:2: generator: generator "broken" of cgkit cannot be loaded')
    assert load('[generator]\nname = "unet"')


def test_a_source_that_cannot_be_imported_is_reported(plugins, load):
    plugins.registries.sources.add("broken", "cgkit_no_such_module:Source")
    with pytest.raises(SpecError, match="No module named 'cgkit_no_such_module'"):
        load('[data]\nsource = "broken"\na = "x"')


def test_the_built_in_components_resolve(plugins_built_in, tmp_path):
    file = Path("spec.toml")
    file.write_text("[data]\nsize = 64")
    spec = load_spec(file, plugins_built_in)
    assert spec.generator.a2b.name == "resnet"
    assert spec.generator.a2b.options["blocks"] == 6
    assert resolve_spec(spec.to_json(), plugins_built_in) == spec
