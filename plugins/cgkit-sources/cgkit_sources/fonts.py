"""Fonts under the SIL Open Font License: downloaded once from npm, checked, and kept in the user's cache."""

from __future__ import annotations

import base64
import hashlib
import tarfile
import urllib.request
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from cgkit.errors import DataError, ResourceError
from cgkit.files.atomic import replacing
from cgkit.files.cache import cache_folder

_TIMEOUT = 60


@dataclass(frozen=True)
class Font:
    """A package of Fontsource with a font.

    Attributes:
        name: the name of the package, without its scope.
        version: its version.
        sha512: its digest, as the registry states it in `dist.integrity`, in base64.
        sha256: the digest of the font in it.
    """

    name: str
    version: str
    sha512: str
    sha256: str

    @property
    def address(self) -> str:
        """Where the registry has the package."""
        return f"https://registry.npmjs.org/@fontsource/{self.name}/-/{self.name}-{self.version}.tgz"


FONTS = {
    "print": Font(
        "zcool-xiaowei",
        "5.3.0",
        "iRuUPl9ONFbYzi6JcEshpE4VedINyzQ4hv0Z5XEt0cB0pMPiQeqc2Qvv1NwJCNzkPwG02VCdcO+cF2K8ylYn2A==",
        "f943c7337ff42159a70a21555604b8ae0e40599ecb1455b5c7b219f22642cff2",
    ),
    "brush": Font(
        "ma-shan-zheng",
        "5.3.1",
        "cGGn7Yje2RSduXVxEk+rCfNZyD/T/7FMGj03LNPiK8TRL9Sing0tq1zJF3n+W29szPqgb2RNs5oIvmm+ikeI+Q==",
        "5b31c15b66b61a62ce0ee2d12da1c667ef589272cbfdad1e5bbc930ddf01dabb",
    ),
    "running": Font(
        "zhi-mang-xing",
        "5.3.0",
        "V21yCCm5o2PHdXF2P9KKh7uiqL8QFFuII4DRQkpG24tfyDzJPchXKsxkcvKM43xEPvQKdbhHCBbXEFjcm/TUCQ==",
        "10368ae6659323a22486361f295472d488533161b4ddfb4d7cabac84c8af0fd2",
    ),
    "cursive": Font(
        "liu-jian-mao-cao",
        "5.3.0",
        "OaFm4okm77XoGA9jp1J89tDjdWlzb68yJCUL7LV75QxUWF/qOBRVqmhP7XFFsgcn/PL+nc2dPvRGT/8yit5LZg==",
        "9c19fab2a746d99ef58934f2fb4fad1402d630f9ce3827f688a07a5f733df15d",
    ),
}
"""The font of each hand."""


def get_font(hand: str) -> Path:
    """Return the font of a hand in the cache folder; download it if it is not there.

    Raises:
        DataError: it cannot be downloaded, or is another one.
        ResourceError: the cache folder cannot be written.
    """
    font = FONTS[hand]
    file = cache_folder() / f"{font.name}-{font.version}" / f"{font.name}.woff2"
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != font.sha256:
        _keep(file, _unpack(font, _download(font)))
    return file


def _download(font: Font) -> bytes:
    try:
        with urllib.request.build_opener().open(font.address, timeout=_TIMEOUT) as response:
            content: bytes = response.read()
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{font.name} cannot be downloaded from {font.address}: {reason}",
            hint=f"where there is a network, get that file, unpack *-chinese-simplified-400-normal.woff2 from it as "
            f"{font.name}.woff2 and set data.folder to its folder",
        ) from error
    return content


def _unpack(font: Font, content: bytes) -> dict[str, bytes]:
    """Check a package; return the font and its licence, by the names of their files."""
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != font.sha512:
        raise DataError(
            f"what {font.address} returned is not {font.name} {font.version}: its SHA-512 differs",
            hint="try again, without a proxy that changes files",
        )
    members = {
        f"{font.name}.woff2": f"package/files/{font.name}-chinese-simplified-400-normal.woff2",
        "LICENSE": "package/LICENSE",
    }
    files = {}
    with tarfile.open(fileobj=BytesIO(content)) as package:
        for name, path in members.items():
            member = package.extractfile(path)
            assert member is not None
            files[name] = member.read()
    return files


def _keep(file: Path, files: dict[str, bytes]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with replacing(file.with_name(name)) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        raise ResourceError(
            f"{file.parent} cannot be written: {error.strerror or error}",
            hint="set CGKIT_CACHE to another folder",
        ) from error
