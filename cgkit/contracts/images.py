"""The contracts of sources of images, and of augmentations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from cgkit.contracts.options import Size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


Role = Literal["data", "adversarial", "framing"]


class Augmentation(Protocol):
    """An `nn.Module` built as `(*, options)`. Its `role` says how it is used.

    - `"data"`: called with one training image `(1, C, H, W)` in [0, 1]; returns the same shape and range. It runs in
      several processes at once and keeps no state between images.
    - `"adversarial"`: called with the input of a discriminator, `(N, C, H, W)` in [0, 1]; returns the same shape, and
      is differentiable. The same random draws are used for real and generated images. Each discriminator has its own
      instance, which may keep state in buffers. An optional method `observe(real_logits)` is called once after each
      step with the logits of the real images: a list of detached tensors `(N, 1, h, w)`, one for each scale. With an
      optional method `draw(count)`, which returns all random numbers for `count` images as one tensor on the CPU, it is
      called as `(images, draws)`, with the numbers on the images' device, if a step runs as a CUDA graph.
    - `"framing"`: called as `(image, size)` with one image `(1, C, H, W)` of any size; returns `(1, C, *size)`.
      A spec has at most one framing; without it, images are scaled to cover `size` and cropped at the centre. The
      optional method `smallest(size)` returns the smallest `(height, width)` that an image may have. The optional
      method `scaled_size(image, size)` returns the `(height, width)` to which an image of that `(height, width)` is
      scaled before a window of `size` is cropped, the mean if it is random. Images are sampled and scored at that
      scale, cropped at the centre, and models record it. Without this method, they cover `size`.

    Optional attribute:
        geometric: true if an augmentation with the role "data" only moves pixels. It is then applied to masks, labels
            and partners too, with the same random numbers; these must not depend on the content or the channels.
    """

    role: Role

    def __call__(self, images: Tensor, *size: Size) -> Tensor:
        """Return the images, randomly transformed."""


@dataclass(frozen=True)
class ImageRecord:
    """An image of a domain that has not been read yet. Exactly one of `path`, `encoded` and `render` is set.

    Attributes:
        name: the name of the image, unique within the domain; its translation has the same name.
        path: the path of the image file.
        render: returns the image as an array, float32 `(C, H, W)` in [0, 1].
        encoded: returns the content of an image file, which cgkit decodes like a file, with the same size limits.
        extras: images of the same size that belong to this image, by name: `mask`, grey, white where a term applies;
            `label`, grey, with class numbers from 0 to 255; `partner`, the same scene in the other domain.
    """

    name: str
    path: Path | None = None
    render: Callable[[], NDArray[np.float32]] | None = None
    encoded: Callable[[], bytes] | None = None
    extras: Mapping[str, ImageRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectKind:
    """A kind of objects in the images of a source that knows where each of them is.

    Attributes:
        name: what an object is called, such as `"house"`.
        colour: red, green and blue in [0, 1]. Nothing but these objects has a similar colour.
        sides: the domains that have such objects: `"a"`, `"b"` or `"ab"`.
        numbers: the numbers of these objects in the `label` of a test image; another number for each object.
    """

    name: str
    colour: tuple[float, float, float]
    sides: Literal["a", "b", "ab"]
    numbers: range


class Domain(Protocol):
    """The images of one domain, by index. A domain must be picklable and fast to index.

    Optional methods:
        paths(): returns the paths of all files as text, in the order of the indices. It saves time if there are very
            many files, all images being files.
        order(epoch, seed): returns all indices in the order in which that epoch shows the images. The order must depend
            on nothing but the arguments; by default, it is uniformly random. Define this method if images are faster to
            read in groups.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ImageRecord: ...

    def fingerprint(self) -> str:
        """Return a string that differs for different images. It may only differ on resuming if that is declared."""


class Source(Protocol):
    """Built as `(size, *, options)`, where `size` is the `(height, width)` of training images.

    `aligned` says whether `test()[0][i]` and `test()[1][i]` show the same scene, so that translations can be compared
    with the ground truth. Training images are never aligned.

    Optional attributes:
        names: what domains a and b are called, for people to read: `("horse", "zebra")`.
        ignored: the files among the images that are not images, by the folder or archive they are in, as text:
            `{"photos": "4 .heic, 1 .gif"}`. `cgkit check` and `cgkit run` report them.
        objects: the kinds of objects whose places are known, a sequence of `ObjectKind`. The test images are then
            aligned, and each has an extra `label` with the number of the object that each pixel shows, or 0.
    """

    aligned: bool

    def train(self) -> tuple[Domain, Domain]:
        """Return the training images of domains a and b."""

    def test(self) -> tuple[Domain, Domain]:
        """Return the test images of domains a and b."""
