"""Model folders on any web server, by the URL of the folder.

A download is accepted only if each file has the size and the SHA-256 that `config.json` says. Each version of a folder
has a place of its own in the cache, named after the digest of its `config.json`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from filelock import FileLock

from cgkit.checkpoints.durable import Content
from cgkit.errors import CgkitWarning, CheckpointError, ResourceError, UsageError
from cgkit.files.atomic import replace_text, replacing_folder
from cgkit.files.cache import VARIABLE, cache_folder
from cgkit.models.config import CONFIG, MAX_BYTES, Config, parse_config
from cgkit.models.remote.requests import LOCAL, UnreachableError, read_url

CURRENT = "current"
"""The file that names the version that was used last, for use without a network."""
_PIN = re.compile(r"sha256=([0-9a-f]{64})")


@dataclass(frozen=True)
class _Place:
    """The URL of a model folder, which ends with `/`, and the digest that its `config.json` must have, if given."""

    url: str
    pin: str | None

    @property
    def cache(self) -> Path:
        return cache_folder() / "models" / hashlib.sha256(self.url.encode()).hexdigest()[:32]


def download_from_web(address: str) -> Path:
    """Return the folder of a model in the cache, downloading what is missing or has changed.

    If the server cannot be reached, the version that was used last is used, with a warning. For the errors, see
    `fetch`.
    """
    place = _parse(address)
    if place.pin and _is_complete(place.cache / place.pin):
        return place.cache / place.pin
    try:
        content = b"".join(read_url(place.url + CONFIG, MAX_BYTES))
    except UnreachableError as error:
        return _find_last(place, error)
    digest = hashlib.sha256(content).hexdigest()
    if place.pin not in (None, digest):
        problem = f"{place.url}{CONFIG} is not the one that the address asks for: its SHA-256 is {digest}"
        raise CheckpointError(problem, hint="ask its owner whether the model was replaced")
    config = parse_config(content, place.url + CONFIG)
    if not config.files:
        hint = "download the folder yourself, if you trust its server, and use that"
        raise CheckpointError(f"{place.url} has no checksums of its weights", hint=hint)
    with _writing_to(place.cache):
        place.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(place.cache / ".lock"):
            if not _is_complete(place.cache / digest):
                _download(place, config, content, place.cache / digest)
            if place.pin is None:
                replace_text(place.cache / CURRENT, digest)
    return place.cache / digest


def _parse(address: str) -> _Place:
    url, _, fragment = address.partition("#")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise UsageError(f"{url} is not a URL: {error}") from error
    pin = _PIN.fullmatch(fragment)
    if not host:
        raise UsageError(f"{url} is not a URL: it names no server")
    if parts.scheme != "https" and host not in LOCAL:
        raise UsageError(f"{url} is not encrypted, so anyone on the way could replace the model", hint="use https")
    if fragment and pin is None:
        hint = "after #sha256= stand the 64 hexadecimal digits that sha256sum config.json prints"
        raise UsageError(f"{address} has no valid checksum after the #", hint=hint)
    if parts.username is not None or parts.query:
        hint = "write it as https://HOST/FOLDER/, optionally followed by #sha256= and the digest of its config.json"
        raise UsageError("the URL of a model has no user name and no ?", hint=hint)
    path = quote(parts.path.removesuffix(CONFIG).rstrip("/") + "/", safe="/%:@!$&'()*+,;=~")
    return _Place(urlunsplit((parts.scheme, parts.netloc, path, "", "")), pin[1] if pin else None)


def _is_complete(folder: Path) -> bool:
    """Return whether a version is in the cache, with files of the right sizes; loading checks their digests."""
    try:
        content = (folder / CONFIG).read_bytes()
        config = parse_config(content, CONFIG)
        sizes = {name: (folder / name).stat().st_size for name in config.files}
    except (OSError, CheckpointError):
        return False
    intact = hashlib.sha256(content).hexdigest() == folder.name
    return intact and all(sizes[name] == content.size for name, content in config.files.items())


def _find_last(place: _Place, error: UnreachableError) -> Path:
    with suppress(OSError):
        folder = place.cache / (place.cache / CURRENT).read_text(encoding="ascii").strip()
        if place.pin is None and folder.parent == place.cache and _is_complete(folder):
            warnings.warn(f"{error.message}; the copy in {folder} is used", CgkitWarning, stacklevel=2)
            return folder
    raise error


def _download(place: _Place, config: Config, content: bytes, target: Path) -> None:
    needed, free = sum(file.size for file in config.files.values()), shutil.disk_usage(place.cache).free
    if needed > free:
        problem = f"{place.url} has {needed / 1e6:,.0f} MB, but {place.cache} has room for {free / 1e6:,.0f} MB"
        raise ResourceError(problem, hint=f"free some space, or set {VARIABLE} to another folder")
    with replacing_folder(target) as temporary:
        (temporary / CONFIG).write_bytes(content)
        for name, file in config.files.items():
            _download_file(place.url + name, file, temporary / name)


def _download_file(url: str, expected: Content, target: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as stream:
        for block in read_url(url, expected.size):
            stream.write(block)
            digest.update(block)
            size += len(block)
    hint = "try again; if it stays so, ask its owner"
    if size != expected.size:
        raise CheckpointError(f"{url} has {size} bytes, not the {expected.size} in {CONFIG}", hint=hint)
    if digest.hexdigest() != expected.sha256:
        raise CheckpointError(f"{url} is not the file that {CONFIG} describes: its SHA-256 differs", hint=hint)


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = f"set {VARIABLE} to another folder"
        raise ResourceError(f"the cache {folder} cannot be written: {error.strerror or error}", hint=hint) from error
