"""Fixtures that most tests use: tiny specs, real image files, and the command line in this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cgkit.cli import main
from cgkit.display.reporter import Silence
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.start import run

TINY = """
name = "tiny"
seed = 3

[data]
source = "seasons"
size = 16
train = 12
test = 4
workers = 0

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 4
batch = 2
precision = "fp32"

[checkpoint]
every = 2

[samples]
every = 4
count = 2

[evaluation]
count = 4
"""


COMPILER_CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


def pytest_configure(config: pytest.Config) -> None:
    """Find out whether long tests are asked for; give the compilers a cache of this session, which its processes share.

    A test that is killed while torch compiles leaves a damaged library behind, which must not outlive the session.
    """
    if not torch.cuda.is_available():
        # Triton's kernels are tested on the CPU. It reads this when it is imported.
        os.environ["TRITON_INTERPRET"] = "1"
    if hasattr(config, "workerinput"):
        config.option.long = config.workerinput["long"]
    else:
        asked_for = config.args_source is pytest.Config.ArgsSource.ARGS
        config.option.long = bool(config.option.long or config.option.list_long or asked_for)
        if config.option.list_long:
            config.pluginmanager.register(LongTests())
        folder = tempfile.mkdtemp(prefix="cgkit-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        for variable in COMPILER_CACHES:
            os.environ[variable] = str(Path(folder) / variable.partition("_")[0].lower())


SLOW = (
    "benchmarks",
    "checkpoints/test_kill.py",
    "cli",
    "components/test_gradients.py",
    "contracts",
    "engine/test_compilation.py",
    "engine/test_distributed.py",
    "engine/test_stateful_components.py",
    "engine/test_trainer.py",
    "evaluation/test_bounds.py",
    "exchange",
    "golden",
    "report/test_in_a_browser.py",
    "runs",
    "scaffolding",
    "serving",
    "studies/test_study.py",
    "testing",
)
"""Folders and files whose tests train, compile, or start processes and browsers."""

FAST = ("contracts/test_language.py", "contracts/test_structure.py", "runs/test_resume_checks.py")
"""Exceptions to these."""


LONG = Path(__file__).with_name("long.json")
"""The tests that take more than `LONG_SECONDS`, written by `make list-long`. A bare `pytest` leaves them out."""

LONG_SECONDS = 1.25


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for long tests."""
    parser.addoption("--long", action="store_true", help="run the long tests, too, which naming a file includes anyway")
    parser.addoption(
        "--list-long", action="store_true", help="run all tests, and list the long ones in tests/long.json"
    )


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_configure_node(node: Any) -> None:
    """Tell a worker whether long tests are asked for, which its own command line does not show."""
    node.workerinput["long"] = node.config.option.long


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark slow tests, so that `make fast` leaves them out, and leave out long ones unless they are asked for."""
    without_gpu = pytest.mark.skip(reason="needs a GPU")
    for item in items:
        path = item.nodeid.removeprefix("tests/")
        if path.startswith("gpu/") and not torch.cuda.is_available():
            item.add_marker(without_gpu)
        if path.startswith(SLOW) and not path.startswith(FAST):
            item.add_marker(pytest.mark.slow)
    if not config.option.long:
        long_tests = set(json.loads(LONG.read_text()))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in long_tests])
        items[:] = [item for item in items if item.nodeid not in long_tests]


class LongTests:
    """Lists the tests that take long."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of a part of a test."""
        self.seconds[report.nodeid] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        """Write the list."""
        found = sorted(test for test, seconds in self.seconds.items() if seconds > LONG_SECONDS)
        LONG.write_text(json.dumps(found, indent=0) + "\n")


@dataclass(frozen=True)
class Result:
    """The outcome of a command: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class RecordingReporter(Silence):
    """A reporter that records warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str, traceback: str = "") -> None:
        self.warnings.append(text)


def load_image(file: Path) -> Image.Image:
    """Return a picture whose file is closed."""
    with Image.open(file) as image:
        image.load()
    return image


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    """Only the built-in plugin."""
    return load_plugins(installed=False)


@pytest.fixture(scope="session")
def tiny_text() -> str:
    """The text of a spec that trains for four steps in well under a second."""
    return TINY


@pytest.fixture
def tiny_spec(tmp_path: Path) -> Path:
    """A spec that trains for four steps in well under a second."""
    file = tmp_path / "spec.toml"
    file.write_text(TINY)
    return file


@pytest.fixture
def cgkit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the command line in this process: `cgkit("run", spec)` returns its exit code and output."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(int(stop.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def cgkit_process() -> Callable[..., subprocess.Popen[str]]:
    """Starts the command line in a separate process, for behaviour that only a real process has."""

    def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "cgkit", *map(str, arguments)]
        # Threads of several processes on two cores would spend their time waiting for each other.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=environment, **pipes, **options)

    return start


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of small random images."""

    def make(name: str, count: int = 4, size: tuple[int, int] = (24, 20), mode: str = "RGB", seed: int = 0) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        random = np.random.default_rng([seed, *name.encode()])
        shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
        for number in range(count):
            pixels = random.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"image-{number}.png")
        return folder

    return make


@pytest.fixture
def forked_run() -> Callable[..., int]:
    """Starts a run in a forked process, which has imported torch already; returns its process id."""

    def start(spec: Path, output: Path) -> int:
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            run(spec, output=output)
            code = 0
        finally:
            os._exit(code)

    return start
