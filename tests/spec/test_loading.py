"""Files and overrides load as one spec, or all of their problems are reported with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgkit.errors import Problem, SpecError
from cgkit.spec.loading import located
from cgkit.spec.reading import read_layer, read_override


def test_an_empty_file_has_the_published_settings(load):
    spec = load("")
    assert (spec.train.batch, spec.train.image_pool) == (1, 50)
    assert spec.optimizer.generators.options == {"betas": [0.5, 0.999]}
    assert spec.generator.a2b.options["blocks"] == 9


def test_all_problems_are_reported_at_once_with_their_lines(problems):
    assert problems(
        """name = 5
colour = "red"
[data]
sise = 64
[generator]
bloks = 4
width = 0
[train]
stepz = 5
batch = 70000
learning_rate = "fast"
[objective]
cycle = { forwrd = 1 }
[[augmentation]]
name = "flip"
[[augmentation]]
name = "flip"
p = 1.5
q = 1
[generator.b2a]
norm = "group"
"""
    ) == [
        "spec.toml:1: name: should be a valid string, got 5",
        "spec.toml:2: colour: unknown key; known keys: name, seed, license, requires, data, start, generator,"
        " discriminator, adversarial_loss, cycle_loss, identity_loss, objective, term, augmentation, train, optimizer,"
        " schedule, checkpoint, samples, log, evaluation, metric, tracker, format, plugins",
        'spec.toml:4: data.sise: unknown key; did you mean "size"?',
        'spec.toml:6: generator.bloks: unknown key; did you mean "blocks"?',
        "spec.toml:7: generator.width: should be greater than or equal to 1, got 0",
        'spec.toml:9: train.stepz: unknown key; did you mean "steps"?',
        "spec.toml:10: train.batch: should be less than or equal to 65536, got 70000",
        'spec.toml:11: train.learning_rate: should be a valid number, got "fast"',
        'spec.toml:13: objective.cycle.forwrd: unknown key; did you mean "forward"?',
        "spec.toml:18: augmentation.1.p: should be less than or equal to 1, got 1.5",
        "spec.toml:19: augmentation.1.q: unknown key; known keys: name, domain, p",
        "spec.toml:21: generator.b2a.norm: should be 'instance' or 'batch', got \"group\"",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[generator]\nname = "needy"', "spec.toml:1: generator.rank: is required"),
        ('generator = { name = "needy" }', "spec.toml:1: generator.rank: is required"),
        ('[data]\nsource = "folder"\na = "x"', "spec.toml:1: data.b: is required"),
        ("generator = 5", "spec.toml:1: generator: should be a table, got 5"),
        ("[[generator]]", "spec.toml:1: generator: should be a table, got [{}]"),
        ("[generator.b2a]\nname = 5", "spec.toml:2: generator.b2a.name: should be a valid string, got 5"),
        ("\ngenerator.b2a = 5", "spec.toml:2: generator.b2a: should be a table, got 5"),
        (
            '[augmentation]\nname = "flip"',
            'spec.toml:1: augmentation: should be a valid array, got {"name": "flip"}',
        ),
        ("augmentation = [\n  5,\n]", "spec.toml:2: augmentation.0: should be a table, got 5"),
        ("[[augmentation]]\np = 1", "spec.toml:1: augmentation.0.name: is required"),
        (
            'augmentation = [\n  { name = "flip" },\n  { name = "flip", p = 2 },\n]',
            "spec.toml:3: augmentation.1.p: should be less than or equal to 1, got 2",
        ),
        ("[optimizer]\nbetas = [0.5,\n 2]", "spec.toml:3: optimizer.betas.1: should be less than 1, got 2"),
        ("[optimizer]\nbetas = [0.5]", "spec.toml:2: optimizer.betas.1: is required"),
        ("[optimizer]\nbetas = 0.5", "spec.toml:2: optimizer.betas: should be a valid array, got 0.5"),
        ("[train]\nbatch = true", "spec.toml:2: train.batch: should be a valid integer, got true"),
        ("[train]\nbatch = 1.0", "spec.toml:2: train.batch: should be a valid integer, got 1.0"),
        ('[train]\nbatch = "1"', 'spec.toml:2: train.batch: should be a valid integer, got "1"'),
        ("[train]\nsteps = 5\nepochs = 5", "spec.toml:1: train: should give steps or epochs, not both"),
        (
            "[train]\nema = 1.0",
            "spec.toml:2: train.ema: should be less than 1, got 1.0",
        ),
        (
            '[data]\nworkers = "many"',
            "spec.toml:2: data.workers: should be a valid integer or 'auto', got \"many\"",
        ),
        ("[data]\nworkers = 65", 'spec.toml:2: data.workers: should be "auto" or a number from 0 to 64, got 65'),
        ("[data]\nsize = true", "spec.toml:2: data.size: should be a valid array, got true"),
        ("[data]\nsize = [64]", "spec.toml:2: data.size.1: is required"),
        ("[data]\nsize = [64, 64, 3]", "spec.toml:2: data.size: should have at most 2 items, not 3, got [64, 64, 3]"),
        ("[objective]\ncycle = -1", "spec.toml:2: objective.cycle: should be greater than or equal to 0, got -1"),
        ('"train.steps" = 5', 'spec.toml:1: "train.steps": unknown key; did you mean "train"?'),
        ('[generator]\n"a.b" = 5', 'spec.toml:2: generator."a.b": unknown key; did you mean "a2b"?'),
        ("[train.steps]\nx = 1", 'spec.toml:1: train.steps: should be a valid integer, got {"x": 1}'),
        ('name = "../elsewhere"', "spec.toml:1: name: should match pattern"),
        (
            '[generator]\nname = "needy"\nrank = 1\nscale = "big"',
            "spec.toml:4: generator.scale: should be a valid number or 'auto', got \"big\"",
        ),
    ],
)
def test_a_problem_has_its_location_and_what_is_wrong(problems, text, expected):
    (problem,) = problems(text)
    assert problem.startswith(expected)


def test_each_augmentation_has_problems_of_its_own(problems):
    text = '[[augmentation]]\nname = "flip"\np = "x"\n[[augmentation]]\nname = "nose"'
    assert problems(text) == [
        'spec.toml:3: augmentation.0.p: should be a valid number, got "x"',
        'spec.toml:5: augmentation.1.name: no augmentation is called "nose"; did you mean "noise"?',
    ]


def test_at_most_a_hundred_problems_are_reported(problems):
    lines = problems("\n".join(f"key{number} = 1" for number in range(500)))
    assert len(lines) == 101
    assert "spec.toml: and 400 more problems" in lines


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "expected"),
        [
            ("train.stepz=5", '--set train.stepz=5: train.stepz: unknown key; did you mean "steps"?'),
            ("train.steps=x", '--set train.steps=x: train.steps: should be a valid integer, got "x"'),
            (
                "train.learning_rate=nan",
                "--set train.learning_rate=nan: train.learning_rate: should be a finite number",
            ),
            (
                "generator.blocks=0",
                "--set generator.blocks=0: generator.blocks: should be greater than or equal to 1, got 0",
            ),
            (
                "augmentation.0.p=0.1",
                '--set augmentation.0.p=0.1: augmentation: should be a valid array, got {"0": {"p": 0.1}}',
            ),
            ("train.steps", '--set train.steps: write it as "path=value"; for example train.steps=100'),
            ("=5", '--set =5: write it as "path=value"; for example train.steps=100'),
            ("a..b=5", '--set a..b=5: write it as "path=value"; for example train.steps=100'),
            ("name=\udcff", "name: should be text without NUL or undecodable bytes"),
            ("extends=x.toml", "--set extends=x.toml: extends: unknown key"),
        ],
    )
    def test_a_problem_in_an_override_quotes_it(self, problems, override, expected):
        (problem,) = problems("[train]\nbatch = 2", override)
        assert expected in problem

    def test_a_problem_points_to_the_layer_with_the_value(self, problems):
        lines = problems("[train]\nstepz = 1\nbatch = 1", "train.batch=2", "train.keep=1")
        assert [problem.partition(": unknown")[0] for problem in lines] == [
            "spec.toml:2: train.stepz",
            "--set train.keep=1: train.keep",
        ]

    def test_overrides_take_precedence_and_the_last_one_wins(self, load):
        spec = load("[train]\nbatch = 2\nimage_pool = 7", "train.batch=3", "train.batch=4", "name=x")
        assert (spec.train.batch, spec.train.image_pool, spec.name) == (4, 7, "x")

    def test_steps_replace_epochs_and_vice_versa(self, load):
        train = load("[train]\nepochs = 200", "train.steps=5").train
        assert (train.steps, train.epochs) == (5, None)
        train = load("[train]\nsteps = 200", "train.epochs=5").train
        assert (train.steps, train.epochs) == (None, 5)

    def test_another_component_drops_the_options_of_the_old_one(self, load):
        spec = load("[generator]\nblocks = 6", "generator.name=unet")
        assert spec.generator.a2b.options == {"depth": 8}
        spec = load('[generator]\nname = "unet"\ndepth = 3', "generator.name=resnet", "generator.width=8")
        assert spec.generator.b2a.options == {"width": 8, "blocks": 9, "norm": "instance"}

    def test_the_order_of_overrides_of_one_component_does_not_matter(self, load):
        spec = load("[generator]\nblocks = 6", "generator.depth=3", "generator.name=unet")
        assert spec.generator.a2b.options == {"depth": 3}

    @pytest.mark.parametrize("name", ["resnet", "cgkit/resnet"])
    def test_naming_the_same_component_keeps_its_options(self, load, name):
        assert load("[generator]\nblocks = 5", f"generator.name={name}").generator.a2b.options["blocks"] == 5

    def test_another_source_drops_options_but_keeps_the_other_keys_of_the_table(self, load):
        text = '[data]\nsource = "folder"\na = "x"\nb = "y"\nsize = 32\nchannels = 1'
        data = load(text, "data.source=seasons").data
        assert (data.options, data.size, data.channels) == ({"count": 100}, (32, 32), (1, 1))

    def test_another_generator_keeps_a_direction_that_names_its_own(self, load):
        text = '[generator]\nblocks = 4\n[generator.b2a]\nname = "unet"\ndepth = 5'
        spec = load(text, "generator.name=needy", "generator.rank=2")
        assert (spec.generator.a2b.name, spec.generator.b2a.options) == ("needy", {"depth": 5})

    def test_another_generator_drops_the_options_that_a_direction_set_for_the_old_one(self, load):
        spec = load("[generator.b2a]\nblocks = 4", "generator.name=unet")
        assert spec.generator.b2a.options == {"depth": 8}

    def test_another_generator_for_one_direction_keeps_the_other_direction(self, load):
        text = "[generator]\nblocks = 4\n[generator.b2a]\nblocks = 3"
        spec = load(text, "generator.b2a.name=unet")
        assert spec.generator.a2b.options["blocks"] == 4
        assert spec.generator.b2a.options == {"depth": 8}

    def test_another_name_of_the_run_changes_nothing_else(self, load):
        assert load('name = "x"\n[objective]\ncycle = 3', "name=y").objective.cycle.forward == 3


class TestExtends:
    def test_a_file_overrides_the_file_that_it_extends(self, load):
        Path("base.toml").write_text('name = "base"\n[train]\nbatch = 2\nsteps = 9\n[generator]\nblocks = 4')
        spec = load('extends = "base.toml"\n[train]\nbatch = 3\n[generator]\nname = "unet"')
        assert (spec.name, spec.train.batch, spec.train.steps) == ("base", 3, 9)
        assert spec.generator.a2b.options == {"depth": 8}

    def test_arrays_of_tables_are_replaced_and_not_merged(self, load):
        Path("base.toml").write_text('[[augmentation]]\nname = "noise"\n[[augmentation]]\nname = "crop"')
        spec = load('extends = "base.toml"\n[[augmentation]]\nname = "flip"')
        assert [use.name for use in spec.augmentation] == ["flip"]

    def test_a_problem_in_the_extended_file_names_that_file(self, problems):
        Path("bases").mkdir()
        Path("bases/base.toml").write_text("\n[train]\nstepz = 2\n[generator]\nbloks = 3")
        lines = problems('extends = "bases/base.toml"\n[train]\nbatchs = 3')
        assert [problem.partition(": unknown")[0] for problem in lines] == [
            "bases/base.toml:3: train.stepz",
            "bases/base.toml:5: generator.bloks",
            "spec.toml:3: train.batchs",
        ]

    @pytest.mark.parametrize(
        ("extends", "expected"),
        [
            ('"missing.toml"', "there is no file missing.toml"),
            ('"."', "there is no file ."),
            ('"a\\u0000b"', "should be the name of a file"),
            ("5", "should be the name of a file"),
            ('["base.toml"]', "should be the name of a file"),
        ],
    )
    def test_a_base_that_is_not_a_file_is_a_problem_of_that_line(self, problems, extends, expected):
        (problem,) = problems(f"seed = 1\nextends = {extends}")
        assert problem.startswith(f"spec.toml:2: extends: {expected}")

    def test_only_one_level_is_supported(self, problems):
        Path("base.toml").write_text('extends = "spec.toml"')
        assert problems('extends = "base.toml"') == [
            "spec.toml:1: extends: base.toml itself extends another file; only one level is supported"
        ]

    def test_a_spec_cannot_extend_itself(self, problems):
        assert "itself extends another file" in problems('extends = "spec.toml"')[0]

    def test_a_base_that_is_not_toml_is_reported_with_its_own_line(self, problems):
        Path("base.toml").write_text("\n[train\n")
        assert problems('extends = "base.toml"')[0].startswith("base.toml:2: not valid TOML")


class TestPaths:
    def test_are_relative_to_the_file_that_contains_them(self, load, folder):
        Path("bases").mkdir()
        Path("bases/base.toml").write_text('[data]\nsource = "folder"\na = "photos"\nb = "paintings"')
        data = load('extends = "bases/base.toml"\n[data]\nb = "mine"\nmore = ["x", "/y"]').data
        assert data.options["a"] == str(folder / "bases" / "photos")
        assert data.options["b"] == str(folder / "mine")
        assert data.options["more"] == [str(folder / "x"), "/y"]
        assert data.options["pattern"] == "*"

    def test_in_an_override_are_relative_to_the_working_directory(self, plugins, folder, monkeypatch):
        from cgkit.spec import load_spec

        Path("specs").mkdir()
        Path("specs/spec.toml").write_text('[data]\nsource = "folder"\na = "a"\nb = "b"')
        data = load_spec("specs/spec.toml", plugins, ["data.b=other", "data.test_a=/t"]).data
        assert data.options["a"] == str(folder / "specs" / "a")
        assert data.options["b"] == str(folder / "other")
        assert data.options["test_a"] == "/t"

    def test_with_a_home_directory_are_expanded_unless_the_user_is_unknown(self, load, monkeypatch, folder):
        monkeypatch.setenv("HOME", "/home/me")
        options = load('[data]\nsource = "folder"\na = "~/a"\nb = "~nobody-of-that-name/b"').data.options
        assert options["a"] == "/home/me/a"
        assert options["b"] == str(folder / "~nobody-of-that-name" / "b")

    def test_with_circular_links_are_accepted(self, load):
        Path("loop").symlink_to("loop")
        assert load('[data]\nsource = "folder"\na = "loop"\nb = "x"').data.options["a"].endswith("loop")


def test_a_problem_without_layers_has_no_file():
    assert located([Problem("train", "is wrong")], []) == [Problem("train", "is wrong")]


def test_a_problem_of_a_value_in_no_layer_has_the_file_without_a_line():
    Path("spec.toml").write_text("[data]")
    layers = [read_layer(Path("spec.toml")), read_override("seed=1")]
    assert str(located([Problem("train.steps", "is wrong")], layers)[0]) == "spec.toml: train.steps: is wrong"
    assert str(located([Problem("data.size", "is wrong")], layers)[0]) == "spec.toml:1: data.size: is wrong"


def test_a_missing_file_is_a_spec_error(plugins):
    from cgkit.spec import load_spec

    with pytest.raises(SpecError, match=r"^nowhere\.toml: there is no such file") as caught:
        load_spec("nowhere.toml", plugins)
    assert caught.value.exit_code == 2
