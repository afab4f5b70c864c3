"""Images are translated at the scale of training if asked, and one that is far from it is mentioned."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cgkit.errors import CgkitWarning, UsageError
from cgkit.tiling.large_images import Tiling
from cgkit.translation.files import translate_files
from cgkit.translation.scaling import Scale, Scaling, choose_scaling
from cgkit.translation.translator import Translator
from tests.conftest import load_image
from tests.translation.untrained import make_translator


class Stripes(nn.Module):
    """Draws vertical stripes of 8 pixels, so that a translation shows at which scale it was made."""

    def forward(self, images: Tensor) -> Tensor:
        stripes = torch.arange(images.shape[-1]) // 4 % 2 * 2.0 - 1
        return stripes.expand(images.shape).clone()


def make(
    scale: Scale = "native", *, tiling: Tiling | None = None, alpha: str = "composite", **given: object
) -> Translator:
    """Return a translator whose training images had a quarter of the pixels of their files a side."""
    translator = make_translator(Stripes(), tiling=tiling, trained_scale=0.25, alpha=alpha)
    given = {"size": "own", "max_side": None, **given}
    translator.scaling = choose_scaling(translator.spec, "a2b", scale, **given)  # type: ignore[arg-type]
    return translator


def period(image: Image.Image | np.ndarray) -> float:
    """Return the period of the stripes in an image, in pixels."""
    row = np.asarray(image)[4, :, 0].astype(float)
    edges = (np.diff((row > 127).astype(int)) != 0).sum()
    return 2 * len(row) / (edges + 1)


@pytest.mark.parametrize("tiling", [Tiling(), Tiling(32, "independent")])
def test_a_translation_at_the_trained_scale_has_its_textures_at_that_scale(tiling: Tiling) -> None:
    photo = Image.new("RGB", (256, 256))
    trained, scaled = make("trained", tiling=tiling)(photo), make("trained", tiling=tiling, size="scaled")(photo)
    assert (trained.size, scaled.size) == ((256, 256), (64, 64))
    assert period(trained) == pytest.approx(32, rel=0.1)
    assert period(scaled) == pytest.approx(8, rel=0.1)
    assert period(make(0.5)(photo)) == pytest.approx(16, rel=0.1)


def test_every_type_of_image_is_translated_at_the_trained_scale() -> None:
    translator = make("trained")
    array = np.zeros((256, 200, 3), np.uint8)
    assert translator(array).shape == array.shape
    assert period(translator(array)) == pytest.approx(32, rel=0.1)
    tensor = translator(torch.zeros(2, 3, 256, 200))
    assert tensor.shape == (2, 3, 256, 200)
    assert period(tensor[0].permute(1, 2, 0).numpy() * 255) == pytest.approx(32, rel=0.1)


def test_files_of_several_sizes_keep_them_along_with_their_transparency(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, size in enumerate([(256, 256), (256, 256), (130, 70)]):
        Image.new("RGBA", size, (9, 9, 9, 50 + number)).save(tmp_path / "in" / f"{number}.png")
    for size, divisor in (("own", 1), ("scaled", 4)):
        translator = make("trained", alpha="carry", size=size)
        assert len(list(translate_files(translator, [tmp_path / "in"], tmp_path / size))) == 3
        for number, (width, height) in enumerate([(256, 256), (256, 256), (130, 70)]):
            written = load_image(tmp_path / size / f"{number}.png")
            assert written.mode == "RGBA"
            assert written.size == (round(width / divisor), round(height / divisor))
            assert written.getpixel((3, 3))[3] == 50 + number
            assert period(written) == pytest.approx(32 / divisor, rel=0.15)


def test_the_resolution_of_a_file_is_not_written_for_another_size(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png", dpi=(300, 300))
    for size, kept in (("own", True), ("scaled", False)):
        list(translate_files(make("trained", size=size), [tmp_path / "photo.png"], tmp_path / size))
        assert ("dpi" in load_image(tmp_path / size / "photo.png").info) == kept


@pytest.mark.parametrize(
    ("scaling", "size", "seen", "result"),
    [
        (Scaling(), (300, 200), (300, 200), (300, 200)),
        (Scaling((0.5, 0.25)), (300, 200), (150, 50), (300, 200)),
        (Scaling((0.5, 0.25), own_size=False), (300, 200), (150, 50), (150, 50)),
        (Scaling(max_side=150), (300, 200), (150, 100), (150, 100)),
        (Scaling((0.25, 0.25), max_side=150), (300, 200), (75, 50), (150, 100)),
        (Scaling((2, 2), max_side=150), (100, 50), (150, 75), (100, 50)),
        (Scaling((0.001, 0.001)), (300, 200), (1, 1), (300, 200)),
    ],
)
def test_sizes_follow_from_the_scale_and_the_longest_side(
    scaling: Scaling, size: tuple[int, int], seen: tuple[int, int], result: tuple[int, int]
) -> None:
    assert scaling.sizes(*size) == (seen, result)


def test_an_image_far_from_the_trained_scale_is_mentioned_once() -> None:
    translator, photo = make(), Image.new("RGB", (300, 200))
    with pytest.warns(CgkitWarning, match="300x200 pixels are translated 4.0 times as large as training") as caught:
        translator([photo] * 3)
    assert len(caught) == 1
    assert "--scale trained" in str(caught[0].message)


@pytest.mark.parametrize(
    ("translator", "side"),
    [
        (make("trained"), 300),
        (make(), 20),  # about the size of training images, so probably scaled already
        (make_translator(Stripes(), trained_scale=0.75), 300),
        (make_translator(Stripes()), 300),  # an earlier version wrote the model
    ],
    ids=["trained", "scaled already", "near", "unknown"],
)
def test_other_images_are_not_mentioned(translator: Translator, side: int) -> None:
    with warnings.catch_warnings(action="error"):
        translator(Image.new("RGB", (side, side)))


def test_larger_images_are_scaled_down_and_that_is_mentioned_once() -> None:
    translator = make("trained", max_side=64)
    with pytest.warns(CgkitWarning, match="more than 64 pixels a side are scaled down") as caught:
        sizes = [translator(Image.new("RGB", size)).size for size in ((256, 128), (128, 128), (40, 64))]
    assert sizes == [(64, 32), (64, 64), (40, 64)]
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scale": "half"}, "no scale 'half'"),
        ({"scale": 0}, "the scale 0 is not between"),
        ({"scale": 0.5, "size": "small"}, "no size 'small'"),
    ],
)
def test_impossible_scales_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(**given)  # type: ignore[arg-type]


def test_a_model_without_its_scale_takes_only_a_factor() -> None:
    spec = make_translator(Stripes()).spec
    with pytest.raises(UsageError, match="does not record at which scale") as refused:
        choose_scaling(spec, "a2b", "trained", "own", None)
    assert "give the factor" in str(refused.value.hint)
    assert choose_scaling(spec, "a2b", 0.5, "own", None) == Scaling((0.5, 0.5))


def test_another_scale_is_another_translation() -> None:
    assert len({make(scale).identity() for scale in ("native", "trained", 0.5)}) == 3
    assert make().identity() == make_translator(Stripes()).identity()
