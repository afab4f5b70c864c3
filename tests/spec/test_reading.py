"""Files that are not specs are refused quickly with short messages; values of valid files have their lines."""

from __future__ import annotations

import os
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cgkit.errors import SpecError, dotted
from cgkit.plugins import Plugins
from cgkit.spec import load_spec
from cgkit.spec.positions import find_excess, lines_of
from cgkit.spec.reading import MAX_BYTES, read_layer, read_override

LIMIT = 1.0
"""Time limit in seconds of CPU time for refusing a file; most take milliseconds."""

quickly = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def deep(part: str, count: int) -> str:
    return ".".join([part] * count)


HOSTILE = {
    "too large": "#" * (MAX_BYTES + 1),
    "nan": "[train]\nlearning_rate = nan",
    "inf": "[train]\nlearning_rate = inf",
    "minus inf in an option": "[generator]\nx = [{ y = -inf }]",
    "a float that overflows": "[train]\nlearning_rate = 1e400",
    "an integer beyond a double": f"seed = {10**30}",
    "an integer of many digits": f"seed = {'9' * 5000}",
    "a hexadecimal integer of many digits": f"seed = 0x{'f' * 200_000}",
    "a deep key": f"{deep('a', 20_000)} = 1",
    "a deep key in basic quotes": deep(r'"! \".\""', 4_000) + " = 1",
    "a deep key in literal quotes": deep("'!'", 10_000) + " = 1",
    "a deep key with blanks": f"{' . '.join(['a'] * 10_000)} = 1",
    "a deep key in a header": f"[{deep('a', 20_000)}]",
    "a deep key in an array header": f"[[{deep('a', 20_000)}]]",
    "a deep key in an inline table": f"a = {{ {deep('b', 20_000)} = 1 }}",
    "a deep key after four quotes": 'a = ["""x"""", { ' + deep('"!"', 10_000) + " = 1 }]",
    "nested arrays": f"a = {'[' * 100_000}",
    "closed nested arrays": f"a = {'[' * 100_000}{']' * 100_000}",
    "nested inline tables": f"a = {'{a=' * 60_000}",
    "a table of many unknown keys": "[generator]\n" + "\n".join(f"k{number}=1" for number in range(9_000)),
    "more values than any spec": "a = [" + "1,\n" * 80_000 + "]",
    "many unknown tables": "\n".join(f"[k{number}]" for number in range(25_000)),
    "many NaNs": "x = [" + "nan," * 60_000 + "]",
    "many augmentations": '[[augmentation]]\nname="flip"\n' * 7_000,
    "an array of many numbers": "metric = [" + "1," * 120_000 + "]",
    "an unterminated string": 'a = """' + '\\"' * 120_000,
    "a string that ends in a backslash": 'a = """\\"""' * 20_000 + "\\",
    "only quotes": '"' * 200_000,
    "backslashes and quotes": '"' + '\\"' * 120_000,
    "a long name": f'name = "{"x" * 200_000}"',
    "a long component": f'generator = {{ name = "{"x" * 200_000}" }}',
    "a long key": f"{'x' * 200_000} = 1",
    "a date": "name = 2020-01-01",
    "a date that does not exist": "name = 2020-13-45",
    "a time": "seed = 10:00:00",
    "a duplicate key": "seed = 1\nseed = 2",
    "a duplicate table": "[train]\n[train]",
    "a NUL": "name = 'a\0b'",
    "an escaped NUL": 'name = "a\\u0000b"',
    "a NUL in an option": '[data]\nsource = "folder"\na = "\\u0000"\nb = "x"',
    "an escaped NUL in a key": '"a\\u0000" = 1',
    "a surrogate": 'name = "\\ud800"',
    "a bare carriage return": "seed = 1\rname = 'x'",
    "no assignment": "seed",
    "UTF-16": "name = 'x'".encode("utf-16"),
    "Latin-1": "name = 'é'".encode("latin-1"),
    "an image": bytes(range(256)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_is_not_a_spec_is_refused_quickly(plugins, content):
    file = Path("spec.toml")
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    began = time.process_time()
    with pytest.raises(SpecError) as caught:
        load_spec(file, plugins)
    assert time.process_time() - began < LIMIT
    assert caught.value.exit_code == 2
    assert all(line.startswith("spec.toml") and len(line) < 500 for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("\nseed = 1\nseed = 2\n", "spec.toml:3: not valid TOML: Cannot overwrite a value"),
        ("[train]\nlearning_rate = nan", "spec.toml:2: train.learning_rate: should be a finite number"),
        ("\nseed = 1e400", "spec.toml:2: seed: should be a finite number"),
        (f"\nseed = {10**30}", "spec.toml:2: seed: is out of range: the largest integer is 9007199254740992"),
        (
            "\n\nname = 2020-01-01",
            "spec.toml:3: name: should be a string, a number, true or false, an array or a table",
        ),
        (
            f"\n{deep('a', 40)} = 1",
            "spec.toml:2: nested too deeply: the limit is 32 parts of a key or nested brackets",
        ),
        (f'\nx = """\n"""\na = {"[" * 40}{"]" * 40}', "spec.toml:4: nested too deeply"),
        ("seed = 1".encode("utf-16"), "spec.toml: not UTF-8 text; save it as UTF-8"),
        ("#" * (MAX_BYTES + 1), "spec.toml: larger than 256 KiB"),
    ],
)
def test_a_refusal_has_the_location_and_reason(plugins, content, expected):
    Path("spec.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpecError) as caught:
        load_spec("spec.toml", plugins)
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffseed = 7\nname = 'x'",
        "seed = 7\r\nname = 'x'\r\n",
        "seed = 7 # " + deep("a", 100) + "\nname = 'x'",
        f"seed = 7\nname = 'x'\n[generator]\nname = 'needy'\nrank = 1\n# {'[' * 100}",
        "#" * (MAX_BYTES - 30) + "\nseed = 7\nname = 'x'",
    ],
    ids=["byte order mark", "Windows line ends", "dots in a comment", "brackets in a comment", "the largest size"],
)
def test_unusual_but_valid_files_are_accepted(plugins, content):
    Path("spec.toml").write_bytes(content.encode())
    spec = load_spec("spec.toml", plugins)
    assert (spec.seed, spec.name) == (7, "x")


def test_dots_and_brackets_in_a_string_do_not_count_as_nesting():
    assert find_excess(f'a = "{deep("a", 100)} {"[" * 100}"') is None
    assert find_excess(f"a = '''\n{deep('a', 100)} {'[' * 100}'''''\nb = 1") is None


class TestAPathThatIsNotARegularFile:
    def refusal(self, file: str | Path) -> str:
        began = time.process_time()
        with pytest.raises(SpecError) as caught:
            read_layer(Path(file))
        assert time.process_time() - began < LIMIT
        assert caught.value.exit_code == 2
        return str(caught.value)

    def test_missing(self):
        assert self.refusal("missing.toml") == "missing.toml: there is no such file"

    def test_folder(self):
        Path("folder.toml").mkdir()
        assert self.refusal("folder.toml") == "folder.toml: not a regular file"

    def test_pipe_does_not_block(self):
        os.mkfifo("pipe.toml")
        assert self.refusal("pipe.toml") == "pipe.toml: not a regular file"

    def test_device(self):
        assert self.refusal("/dev/zero") == "/dev/zero: not a regular file"

    def test_dangling_link(self):
        Path("link.toml").symlink_to("missing.toml")
        assert self.refusal("link.toml") == "link.toml: there is no such file"

    def test_looping_link(self):
        Path("link.toml").symlink_to("link.toml")
        assert "link.toml" in self.refusal("link.toml")

    def test_name_too_long(self):
        assert "cannot be read" in self.refusal("x" * 5000)

    def test_name_with_nul(self):
        assert "there is no such file" in self.refusal("x\0y")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_unreadable(self):
        file = Path("spec.toml")
        file.write_text("seed = 1")
        file.chmod(0)
        assert self.refusal(file) == "spec.toml: cannot be read: Permission denied"


class TestLines:
    def lines(self, text: str) -> dict[str, int]:
        return {dotted(place): line for place, line in lines_of(text).items()}

    def test_are_those_of_tables_keys_and_elements(self):
        text = '''# a comment = 1
name = "x"  # [not.a.table]
a.b = 1
[train]
betas = [
  0.5, # 7
  0.9 ]
text = """
fake = 1
[fake]
"""
[generator.b2a]
"quoted key" = { x = 1, y = [1, { z = 2 }] }
[[augmentation]]
[[augmentation]]
p = 1
[augmentation.inner]
q = 2
'''
        assert self.lines(text) == {
            "name": 2,
            "a": 3,
            "a.b": 3,
            "train": 4,
            "train.betas": 5,
            "train.betas.0": 6,
            "train.betas.1": 7,
            "train.text": 8,
            "generator": 12,
            "generator.b2a": 12,
            'generator.b2a."quoted key"': 13,
            'generator.b2a."quoted key".x': 13,
            'generator.b2a."quoted key".y': 13,
            'generator.b2a."quoted key".y.0': 13,
            'generator.b2a."quoted key".y.1': 13,
            'generator.b2a."quoted key".y.1.z': 13,
            "augmentation": 14,
            "augmentation.0": 14,
            "augmentation.1": 15,
            "augmentation.1.p": 16,
            "augmentation.1.inner": 17,
            "augmentation.1.inner.q": 18,
        }

    def test_of_keys_with_escapes_have_the_unescaped_key(self):
        assert self.lines('"n\\u0061me" = 1') == {"name": 1}


class TestOverrides:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("train.steps=5", {"train": {"steps": 5}}),
            (" train . steps = 5 ", {"train": {"steps": 5}}),
            ("name=bare words", {"name": "bare words"}),
            ("name=", {"name": ""}),
            ("name=a=b", {"name": "a=b"}),
            ("name=a#b", {"name": "a#b"}),
            ('name="5"', {"name": "5"}),
            ("name=007", {"name": "007"}),
            ("name=2020-01-01", {"name": "2020-01-01"}),
            ("name=10:00:00", {"name": "10:00:00"}),
            ("x=true", {"x": True}),
            ("x=[1, 2]", {"x": [1, 2]}),
            ("x={ a = 1 }", {"x": {"a": 1}}),
            ("data.a=C:\\photos", {"data": {"a": "C:\\photos"}}),
            ('a."b.c"=1', {"a": {"b.c": 1}}),
            ("a.'b c'=1", {"a": {"b c": 1}}),
            ("x=1\nfoo=2", {"x": "1\nfoo=2"}),
            ("x=1\n[train]\nsteps=2", {"x": "1\n[train]\nsteps=2"}),
            ("x=1\nvalue.y=2", {"x": "1\nvalue.y=2"}),
            ("x={}\n[value.y]", {"x": "{}\n[value.y]"}),
            ("x=[]\n[[value]]", {"x": "[]\n[[value]]"}),
            (f"x={'[' * 99}", {"x": "[" * 99}),
        ],
    )
    def test_set_one_value(self, text, values):
        assert read_override(text).values == values

    @pytest.mark.parametrize(
        "text",
        ["", "x", "=1", ".a=1", "a.=1", "a..b=1", "a b=1", "a\n.b=1", '"a=1', '"\\q"=1', "é=1", f"{deep('a', 40)}=1"],
    )
    def test_that_are_malformed_are_refused(self, text):
        with pytest.raises(SpecError, match="path=value"):
            read_override(text)

    def test_have_a_short_label_if_they_are_long(self):
        with pytest.raises(SpecError) as caught:
            read_override("name=" + "x" * 10_000)
        assert len(str(caught.value)) < 200

    def test_have_a_label_of_one_line(self):
        assert read_override("x=1\n2").label == "--set x=1 2"

    @quickly
    @given(st.text(max_size=60))
    @example("1\nvalue = 2")
    @example("1\n[value]\n")
    @example("{a=1}\nvalue.b = 1")
    @example('"""\n"""')
    def test_only_ever_set_one_value(self, text):
        values = read_override(f"some.key={text}").values
        assert values.keys() == {"some"}
        assert values["some"].keys() == {"key"}
        value = values["some"]["key"]
        assert value == text.strip() or {"value": value} == tomllib.loads(f"value = {text.strip()}")


@quickly
@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
@example("[data]\nsize=[]")
@example("generator=''")
@example("[[generator]]\n[generator.a2b]")
@example("objective.cycle=nan")
def test_any_file_either_loads_or_raises_a_spec_error(plugins, content):
    _load_or_refuse(content, plugins)


tables = st.sampled_from(["data", "generator", "generator.b2a", "train", "objective", "augmentation", "metric", "name"])
keys = st.sampled_from(["name", "source", "size", "channels", "steps", "cycle", "a2b", "p", "1", '"x.y"', "''"])
toml_values = st.recursive(
    st.sampled_from(
        ["1", "-1", "true", "nan", "1e400", "''", "'flip'", "9" * 30, "2020-01-01", "[]", "{}", '"\\u0000"']
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(inner, max_size=2).map(
            lambda parts: "{" + ", ".join(f"k{n} = {v}" for n, v in enumerate(parts)) + "}"
        )
    ),
    max_leaves=4,
)
lines = st.one_of(
    tables.map(lambda table: f"[{table}]"),
    tables.map(lambda table: f"[[{table}]]"),
    st.tuples(keys, toml_values).map(" = ".join),
    st.tuples(tables, keys, toml_values).map(lambda parts: f"{parts[0]}.{parts[1]} = {parts[2]}"),
)


@quickly
@given(st.lists(lines, max_size=6).map("\n".join))
def test_any_file_of_toml_lines_either_loads_or_raises_a_spec_error(plugins, content):
    _load_or_refuse(content, plugins)


@quickly
@given(st.lists(lines, max_size=6).map("\n".join))
@example("a=[[1,{b.a=1}],\n'''\n''''',]")
@example('a="""\\""""""')
def test_every_value_of_a_valid_text_has_a_line(content):
    try:
        values = tomllib.loads(content)
    except ValueError:
        return
    lines = lines_of(content)
    assert set(lines) == set(_find_places(values, ()))
    assert all(1 <= line <= content.count("\n") + 1 for line in lines.values())


def _load_or_refuse(content: str | bytes, plugins: Plugins) -> None:
    file = Path("fuzzed.toml")
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    refusal = None
    try:
        load_spec(file, plugins)
    except SpecError as error:
        refusal = error
    assert refusal is None or (refusal.problems and refusal.exit_code == 2)


def _find_places(values: Any, place: tuple[str, ...]) -> list[tuple[str, ...]]:
    inside = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    places = []
    for key, value in inside:
        places += [(*place, str(key)), *_find_places(value, (*place, str(key)))]
    return places
