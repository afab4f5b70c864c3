"""A process that translates images for the server: it reads requests from its input, and writes replies, as JSON lines.

An image that needs too long or too much memory ends this process, not the server. Nothing is unpickled.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from cgkit.errors import CgkitError, CgkitWarning, DataError, ResourceError, UsageError, is_out_of_memory
from cgkit.images.writing import check_format, suffix_for
from cgkit.models.address import Address
from cgkit.plugins import Plugins, load_plugins
from cgkit.translation.clips import is_clip
from cgkit.translation.files import Skipped, translate_files
from cgkit.translation.translator import Translator

LOADED = 2
"""The most models that stay in memory."""
STATUS = ((ResourceError, 507), (UsageError, 400), (DataError, 422), (CgkitError, 409))
"""The HTTP status of each kind of error."""


class Models:
    """The models used last, which stay in memory.

    Args:
        plugins: the loaded plugins.
        device: the device to translate on; None for the default.
    """

    def __init__(self, plugins: Plugins, device: str | None) -> None:
        self._plugins = plugins
        self._device = device
        self._loaded: dict[tuple[object, ...], tuple[Translator, list[str]]] = {}

    def load(self, model: str, options: dict[str, Any]) -> tuple[Translator, list[str]]:
        """Return the translator of a model, loaded again if its folder has changed, and what loading warned of.

        Raises:
            CgkitError: the model cannot be loaded.
        """
        address = Address.parse(model)
        path = address.model() or address.kept()
        changed = path.stat().st_mtime_ns if path is not None else 0
        key = (model, str(path), changed, *options.items())
        if key not in self._loaded:
            while len(self._loaded) >= LOADED:
                del self._loaded[next(iter(self._loaded))]
            with _remarks() as remarks:
                translator = Translator.load(model, device=self._device, plugins=self._plugins, **options)
            self._loaded[key] = translator, remarks
        self._loaded[key] = loaded = self._loaded.pop(key)  # the one used last is removed last
        return loaded


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """Return a list that receives the warnings for the user in this context."""
    remarks: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CgkitWarning)
        yield remarks
    remarks += [str(warning.message) for warning in caught if issubclass(warning.category, CgkitWarning)]


def answer(request: dict[str, Any], models: Models) -> dict[str, Any]:
    """Translate the image file of a request, and return the reply."""
    try:
        translator, known = models.load(request["model"], request["options"])
        translator.max_pixels = request["pixels"]
        translator.forget_remarks()
        with _remarks() as remarks:
            file = _translate(translator, Path(request["source"]), request["suffix"])
    except CgkitError as error:
        return _refuse(error)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _refuse(ResourceError("not enough memory", hint="send a smaller image"))
    return {"file": str(file), "step": translator.info.step, "remarks": known + remarks}


def _translate(translator: Translator, source: Path, suffix: str) -> Path:
    """Translate a file, into a file with a suffix or, if that is empty, with its own or the nearest that fits."""
    if is_clip(source) or translator.formats.of_whole(source) is not None:
        raise DataError(f"{source}: not a single image", hint="use cgkit translate for it")
    if suffix:
        check_format(suffix, translator.target, translator.formats)
    written = suffix or suffix_for(source.suffix, translator.target, translator.formats)
    (result,) = translate_files(translator, [source], source.with_name(f"translation{written}"))
    if isinstance(result, DataError):
        raise result
    assert not isinstance(result, Skipped)
    return result


def _refuse(error: CgkitError) -> dict[str, Any]:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    return {"status": status, "error": error.message, "hint": error.hint or ""}


def serve(requests: TextIO, replies: TextIO, models: Models) -> None:
    """Say that the process is ready, and answer requests until there are no more."""
    replies.write("{}\n")
    replies.flush()
    for line in requests:
        replies.write(json.dumps(answer(json.loads(line), models)) + "\n")
        replies.flush()


def main() -> None:
    """Serve the process that started this one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device")
    parser.add_argument("--plugin", action="append", default=[], type=Path)
    parser.add_argument("--no-plugins", action="store_true")
    arguments = parser.parse_args()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a plugin prints is no reply
    models = Models(load_plugins(files=arguments.plugin, installed=not arguments.no_plugins), arguments.device)
    serve(sys.stdin, replies, models)


if __name__ == "__main__":
    main()
