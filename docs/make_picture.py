"""Make the picture in README: the newest sample sheet of a run at twice its size.

`cgkit run examples/seasons.toml && python docs/make_picture.py runs/seasons`
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image


def main(run: Path) -> None:
    """Write `docs/seasons.png` from a run folder."""
    newest = max((run / "samples").glob("step-*.png"))
    with Image.open(newest) as sheet:
        enlarged = sheet.resize((2 * sheet.width, 2 * sheet.height), Image.Resampling.NEAREST)
    enlarged.save(Path(__file__).with_name("seasons.png"), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/seasons"))
