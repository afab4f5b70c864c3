"""A component under test, and how to get small ones of it."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from cgkit.data.randomness import seeded
from cgkit.errors import PluginError
from cgkit.options import REQUIRED, build, check_options, options_of
from cgkit.registry import Component, describe_exception
from cgkit.testing.checks import Unavailable

SIZE = (48, 64)
"""The size in pixels that sources are built for."""


class Subject:
    """A component under test, with a folder of its own as long as it is used as a context manager.

    Args:
        component: the component.
        options: what it is built from; its example where there are none.
    """

    def __init__(self, component: Component, options: Mapping[str, Any] | None = None) -> None:
        self.component = component
        self._options = options
        self._temporary: TemporaryDirectory[str] | None = None
        self._folders = 0

    def __enter__(self) -> Subject:
        self._temporary = TemporaryDirectory(prefix="cgkit-check-", ignore_cleanup_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    def folder(self) -> Path:
        """Return a new empty folder."""
        if self._temporary is None:
            raise RuntimeError("a subject has folders only inside its with statement")
        self._folders += 1
        folder = Path(self._temporary.name) / str(self._folders)
        folder.mkdir()
        return folder

    @cached_property
    def options(self) -> dict[str, Any]:
        """The options of a small example, as a spec would give them.

        Raises:
            AssertionError: there is no example where one is needed, or it is none.
        """
        given = self._options if self._options is not None else self._example()
        values: dict[str, Any] = json.loads(json.dumps(dict(given), default=os.fspath))
        _, problems = check_options(self.component, values)
        if problems:
            raise AssertionError(f"its example cannot be built: {'; '.join(map(str, problems))}")
        return values

    def build(self, *, seed: int = 0, options: Mapping[str, Any] | None = None, **given: Any) -> Any:
        """Build a component.

        Args:
            seed: what torch draws from meanwhile.
            options: in place of the example's.
            given: positional arguments in place of the usual ones, by the names that the contract gives them.

        Raises:
            AssertionError: it cannot be built.
            Unavailable: it says itself that a package is missing.
        """
        usual = {"in_channels": 3, "out_channels": 3, "size": SIZE}
        names = self.component.kind.given
        arguments = [given[name] if name in given else usual[name] if name in usual else self.folder() for name in names]
        options = self.options if options is None else options
        try:
            with seeded(seed):
                return build(self.component, *arguments, options=options)
        except PluginError as error:
            # With a hint it is the component's own: it knows what is missing, and says what to install.
            if isinstance(error.__cause__, ImportError) and error.hint:
                raise Unavailable(str(error)) from error
            raise AssertionError(str(error)) from error
        except Exception as error:
            raise AssertionError(
                f"it cannot be built with {dict(options)}: {describe_exception(error)}; give it a static method"
                " example(folder) that returns the options of a small one"
            ) from error

    def trait(self, name: str, default: Any = None) -> Any:
        """Return an attribute of the component's class; where that has none, of a built one."""
        target = self.component.load()
        if inspect.isclass(target):
            found = inspect.getattr_static(target, name, None)
            if found is not None and not isinstance(found, property):
                return getattr(target, name)
        return getattr(self._instance, name, default)

    @cached_property
    def _instance(self) -> Any:
        try:
            return self.build()
        except (AssertionError, Unavailable, PluginError):
            return None  # that it cannot be built is for another check to say

    def _example(self) -> Mapping[str, Any]:
        example = getattr(self.component.load(), "example", None)
        if example is not None:
            found = example(self.folder())
            if not isinstance(found, Mapping):
                raise AssertionError(f"example(folder) should return options by name, got {type(found).__name__}")
            return found
        required = [option.name for option in options_of(self.component).values() if option.default is REQUIRED]
        if required:
            raise AssertionError(
                f"it cannot be built without {', '.join(required)}: give it a static method example(folder) that"
                " returns the options of a small one, or name them where the checks are called"
            )
        return {}
