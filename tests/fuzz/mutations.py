"""Damage files as accidents and attackers do: bits, bytes, numbers, lengths, and parts of other files."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TOKENS = (
    *(
        b'"',
        b"{}",
        b"[]",
        b"[" * 60,
        b"null",
        b"NaN",
        b"-1",
        b"1e999",
        b"9" * 40,
        b"\\ud800",
        b"\0",
        b"\n",
        b"../",
        b"/",
    ),
    *(b"\xff\xfe", "é".encode(), b"true", b"=", b".", b"'''", b'"a"=1', b":", b","),
)


def mutate(content: bytes, draws: random.Random, others: Sequence[bytes]) -> bytes:
    """Return a damaged copy of a file."""
    damaged = bytearray(content)
    for _ in range(draws.choice((1, 1, 1, 2, 3, 8))):
        draws.choice(KINDS)(damaged, draws, others)
    return bytes(damaged)


def _flip(content: bytearray, draws: random.Random, others: Sequence[bytes]) -> None:
    if content:
        content[_draw_place(content, draws)] ^= 1 << draws.randrange(8)


def _overwrite(content: bytearray, draws: random.Random, others: Sequence[bytes]) -> None:
    """Overwrite a number of one to eight bytes, which may be a length, a count or an offset."""
    width = draws.choice((1, 2, 4, 4, 8))
    number = (draws.choice(NUMBERS) + draws.choice((-1, 0, 0, 1))) % (1 << 8 * width)
    place = _draw_place(content, draws)
    content[place : place + width] = number.to_bytes(width, draws.choice(("little", "big")))


def _insert(content: bytearray, draws: random.Random, others: Sequence[bytes]) -> None:
    content[(place := _draw_place(content, draws)) : place] = draws.choice((*TOKENS, draws.randbytes(4)))


def _replace(content: bytearray, draws: random.Random, others: Sequence[bytes]) -> None:
    place = _draw_place(content, draws)
    content[place : place + draws.randrange(1, 9)] = draws.choice(TOKENS)


def _remove(content: bytearray, draws: random.Random, others: Sequence[bytes]) -> None:
    place = _draw_place(content, draws)
    del content[place : place + draws.choice((1, 4, 64, len(content)))]


def _repeat(content: bytearray, draws: random.Random, others: Sequence[bytes]) -> None:
    place = _draw_place(content, draws)
    part = content[place : place + draws.choice((1, 16, 256))]
    content[place:place] = part * draws.choice((1, 2, 50))


def _splice(content: bytearray, draws: random.Random, others: Sequence[bytes]) -> None:
    """Continue with the rest of another file."""
    other = draws.choice(others)
    content[_draw_place(content, draws) :] = other[_draw_place(other, draws) :]


KINDS: tuple[Callable[[bytearray, random.Random, Sequence[bytes]], None], ...] = (
    *(_flip, _flip, _overwrite, _overwrite, _overwrite),
    *(_insert, _replace, _replace, _remove, _repeat, _splice),
)


def _draw_place(content: Sequence[int], draws: random.Random) -> int:
    """Return a place in a file, half of the time near its beginning, which holds the header."""
    if not content:
        return 0
    return draws.randrange(min(len(content), 256) if draws.random() < 0.5 else len(content))
