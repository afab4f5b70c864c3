"""Lightweight components for specs, and fixtures that load specs from files in the working directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le, Lt

from cgkit.contracts import Size
from cgkit.errors import SpecError
from cgkit.plugins import Plugins, load_plugins
from cgkit.registry import Registries
from cgkit.spec import Spec, load_spec

Beta = Annotated[float, Ge(0), Lt(1)]


class Resnet:
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Annotated[int, Ge(1)] = 64,
        blocks: Annotated[int, Ge(1), Le(50)] = 9,
        norm: Literal["instance", "batch"] = "instance",
    ) -> None:
        pass

    @staticmethod
    def recommended(size: Size) -> dict[str, int]:
        return {"blocks": 9 if min(size) >= 256 else 6}


class Unet:
    def __init__(self, in_channels: int, out_channels: int, *, depth: int = 8) -> None:
        pass


class Needy:
    def __init__(self, in_channels: int, out_channels: int, *, rank: int, scale: float | Literal["auto"] = "auto"):
        pass


class Patch:
    def __init__(self, in_channels: int, *, layers: int = 3) -> None:
        pass


class Pixel:
    def __init__(self, in_channels: int) -> None:
        pass


class Plain:
    def __init__(self) -> None:
        pass


class Hinge:
    def __init__(self, *, margin: float = 1.0) -> None:
        pass


class Chance:
    def __init__(self, *, p: Annotated[float, Ge(0), Le(1)] = 0.5) -> None:
        pass


class Seasons:
    def __init__(self, size: Size, *, count: int = 100) -> None:
        pass


class Folder:
    def __init__(
        self,
        size: Size,
        *,
        a: Path,
        b: Path,
        test_a: Path | None = None,
        more: tuple[Path, ...] = (),
        pattern: str = "*",
    ) -> None:
        pass


class Adam:
    def __init__(self, parameters: object, learning_rate: float, *, betas: tuple[Beta, Beta] = (0.5, 0.999)) -> None:
        pass


class Tracker:
    def __init__(self, folder: Path, *, flush: bool = True) -> None:
        pass


def lightweight_components() -> Registries:
    registries = Registries()
    registries.generators.add("resnet", Resnet, default=True)
    registries.generators.add("unet", Unet)
    registries.generators.add("needy", Needy)
    registries.discriminators.add("patch", Patch, default=True)
    registries.discriminators.add("pixel", Pixel)
    registries.adversarial_losses.add("least-squares", Plain, default=True)
    registries.adversarial_losses.add("hinge", Hinge)
    registries.reconstruction_losses.add("l1", Plain, default=True)
    registries.reconstruction_losses.add("l2", Plain)
    registries.augmentations.add("crop", Chance, default=True)
    registries.augmentations.add("flip", Chance, default=True)
    registries.augmentations.add("noise", Chance)
    registries.sources.add("seasons", Seasons, default=True)
    registries.sources.add("folder", Folder)
    registries.optimizers.add("adam", Adam, default=True)
    registries.schedules.add("linear", Plain, default=True)
    registries.metrics.add("psnr", Plain, default=True)
    registries.metrics.add("ssim", Plain)
    registries.trackers.add("jsonl", Tracker, default=True)
    registries.trackers.add("board", Tracker)
    return registries


@pytest.fixture
def plugins() -> Plugins:
    return Plugins(registries=lightweight_components())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, where specs are written."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load(plugins: Plugins) -> Callable[..., Spec]:
    """Load a spec given as text, with `--set` overrides."""

    def load(text: str, *overrides: str) -> Spec:
        file = Path("spec.toml")
        file.write_text(text, encoding="utf-8")
        return load_spec(file, plugins, overrides)

    return load


@pytest.fixture
def problems(load: Callable[..., Spec]) -> Callable[..., list[str]]:
    """Return the lines of the error for a spec given as text."""

    def problems(text: str, *overrides: str) -> list[str]:
        with pytest.raises(SpecError) as caught:
            load(text, *overrides)
        assert caught.value.exit_code in (2, 4)
        return str(caught.value).split("\n")

    return problems


@pytest.fixture
def plugins_built_in() -> Plugins:
    return load_plugins(installed=False)
