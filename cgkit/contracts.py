"""What the engine expects of each kind of component.

A component is any callable (a class, usually) that is built with the positional arguments that its kind names in
`KINDS`, plus its options: its keyword-only parameters. What comes back is used as the protocol of its kind says.
A component raises `ValueError` where its options do not fit together, or where an image cannot be worked on; its
message is shown to the user.

Any component may have a static method `recommended(size)`: options that suit images of that `(height, width)`, used
where the spec is silent. A component with options that have no default may have a static method `example(folder)`:
the options of a small example, which may be made in that empty folder; the conformance kit builds it from them.

Images are float tensors in NCHW layout. Networks and reconstruction losses see them in [-1, 1]; sources,
augmentations, metrics and files have them in [0, 1]. Where the precision is bf16, networks run under autocast.

Losses and adversarial augmentations may be `nn.Module`s too: they are then moved to the run's device, nothing of them
is trained, and their buffers and parameters are kept in every checkpoint, so that a resumed run goes on exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Kind:
    """One slot that plugins fill.

    Attributes:
        name: the registry's name, plural: `adversarial_losses`.
        table: what the spec calls one of them: `adversarial_loss`.
        given: the positional arguments that the engine supplies when it builds one.
        summary: one sentence on what such a component is for.
    """

    name: str
    table: str
    given: tuple[str, ...]
    summary: str


KINDS: tuple[Kind, ...] = (
    Kind("generators", "generator", ("in_channels", "out_channels"), "Networks that translate an image."),
    Kind("discriminators", "discriminator", ("in_channels",), "Networks that tell real images from made ones."),
    Kind("adversarial_losses", "adversarial_loss", (), "How a discriminator's logits become losses."),
    Kind("reconstruction_losses", "reconstruction_loss", (), "Distances for the cycle and identity terms."),
    Kind("augmentations", "augmentation", (), "Random changes to training images."),
    Kind("sources", "source", ("size",), "Where images come from."),
    Kind("schedules", "schedule", (), "How the learning rate changes over a run."),
    Kind("metrics", "metric", (), "Numbers that say how good translations are."),
    Kind("trackers", "tracker", ("folder",), "Where a run's numbers are written."),
)


class Generator(Protocol):
    """An `nn.Module` built as `(in_channels, out_channels, *, options)`.

    Called with `(N, in_channels, H, W)` in [-1, 1]; returns `(N, out_channels, H, W)` in [-1, 1], same H and W.

    Optional attributes:
        stride: H and W are multiples of it (default 1); the caller pads and crops.
        mixes_samples: true where the translation of one image depends on the others of its batch, other than through
            batch norm, which is recognised.
        initialises_itself: true where the network's own initial weights are to be kept; otherwise its convolutions
            and linear layers are drawn from N(0, 0.02), as published.

    Optional methods, through which weights come from other programs and go to them:
        recognise(tensors): static; shown the tensors of a file by name, returns what they are (`Recognised`), or None
            where they are not of its kind. Raises `ValueError` where they are, and cannot be used all the same.
        published_tensors(): the network's tensors, detached, under the names that other programs know them by;
            `recognise` of them gives an equal network. Raises `ValueError` where those have no such network.

    Images larger than memory are translated in tiles, with the result of the whole image, where torch.fx can follow
    the forward pass, norms of an image are torch's (`GroupNorm`, `InstanceNorm2d` or their functions), and nothing
    else depends on more of an image than its surroundings.
    """

    def __call__(self, images: Tensor, /) -> Tensor:
        """Translate a batch of images."""


@dataclass(frozen=True)
class Recognised:
    """What a generator makes of the tensors of a file.

    Attributes:
        in_channels: the channels that the network reads.
        out_channels: the channels that it makes.
        options: those of the generator, as a spec gives them; what is left out has its default.
        state: the state dict of the generator that is built so.
        remarks: what a user should know of it, a sentence each: what was left out, or cannot be told.
    """

    in_channels: int
    out_channels: int
    options: Options
    state: Mapping[str, Tensor]
    remarks: tuple[str, ...] = ()


class Discriminator(Protocol):
    """An `nn.Module` built as `(in_channels, *, options)`.

    Called with `(N, in_channels, H, W)` in [-1, 1]; returns logits `(N, 1, h, w)` (no sigmoid), or a list of such
    tensors, one for each scale.

    Optional attributes: `mixes_samples` and `initialises_itself`, as for a generator; and
        remembers_images: true where the network keeps something of the images that it was shown, in buffers. It is
            then called as `discriminator(images, real=..., learning=...)`: whether the images are real, and whether
            the discriminator itself learns from them. Both have defaults, `learning`'s is false: it teaches a
            generator, is probed, or a penalty is taken, and nothing may be remembered.
    """

    def __call__(self, images: Tensor, /) -> Tensor | list[Tensor]:
        """Judge a batch of images: a high logit means real."""


@runtime_checkable
class AdversarialLoss(Protocol):
    """Built as `(*, options)`. Logits are float32 (or float64) tensors of any shape; the results are scalars.

    Optional method:
        penalty(discriminator, real, fake): a scalar added to the discriminator's loss, on image batches of equal
            shape, in float32; `discriminator` may be called any number of times, with images alone, and
            differentiated twice.

    Optional attribute:
        wants_real_logits: true where the generator's loss compares made images with real ones: it is then called as
            `generator_loss(fake_logits, real_logits)`.
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return what the discriminator minimises (already halved where the method halves it)."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return what the generator minimises."""


class ReconstructionLoss(Protocol):
    """Built as `(*, options)`: a distance between two image batches of equal shape in [-1, 1]."""

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance as a scalar, zero for equal batches."""


Role = Literal["data", "adversarial", "framing"]


class Augmentation(Protocol):
    """An `nn.Module` built as `(*, options)`, drawing randomness from torch's global generator alone.

    `role` says where it is used:

    - `"data"`: called with one training image `(1, C, H, W)` in [0, 1]; returns the same shape and range. It runs in
      several processes at once, so it keeps nothing from one image to the next.
    - `"adversarial"`: called with what a discriminator is about to see, `(N, C, H, W)` in [0, 1]; returns the same
      shape, differentiable. Real and made images get the same draw. Each discriminator has its own, which may keep
      state in buffers. An optional method `observe(real_logits)` is called once after each step with what the
      discriminator made of the real images: a list of detached logits, `(N, 1, h, w)`, one for each scale.
    - `"framing"`: called as `(image, size)` with one image `(1, C, H, W)` of any size; returns `(1, C, *size)`.
      At most one in a spec; without one, images are scaled to cover the size and cropped at the centre.
      A method `smallest(size)` may say the least `(height, width)` that an image must have.
    """

    role: Role

    def __call__(self, images: Tensor, *size: Size) -> Tensor:
        """Return the images, changed at random."""


@dataclass(frozen=True)
class ImageRecord:
    """One image of a domain, not yet read.

    Exactly one of `path` (a file), `encoded` (a function that returns a file's bytes) and `render` (a function that
    returns float32 CHW in [0, 1]) is set; files and bytes are read by the toolkit through its one admission function.
    `name` is unique within its domain and names the translation.
    """

    name: str
    path: Path | None = None
    render: Callable[[], NDArray[np.float32]] | None = None
    encoded: Callable[[], bytes] | None = None


class Domain(Protocol):
    """The images of one side, by index; cheap to ask, picklable.

    Optional method:
        order(epoch, seed): the indices of every image in the order in which they are shown in that epoch, a function
            of its arguments alone; for images that lie together and are best read together. Without it, every order
            is as likely.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ImageRecord: ...

    def fingerprint(self) -> str:
        """Return a text that differs where the images differ: a resumed run must see the same data."""


class Source(Protocol):
    """Built as `(size, *, options)`, `size` being the `(height, width)` that will be trained on.

    `aligned` says whether the test split is aligned: `test()[0][i]` and `test()[1][i]` show the same scene, so that
    a translation can be scored against the truth. The training split never is.
    """

    aligned: bool

    def train(self) -> tuple[Domain, Domain]:
        """Return the training images of domain a and of domain b."""

    def test(self) -> tuple[Domain, Domain]:
        """Return the test images of domain a and of domain b."""


class Schedule(Protocol):
    """Built as `(*, options)`: what the learning rate is multiplied by."""

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return the factor for the 0-based `step` of `steps`; an epoch has `epoch_steps` of them."""


@dataclass(frozen=True)
class Cycle:
    """What a metric of cycles is shown: `(N, C, H, W)` batches in [0, 1].

    Attributes:
        sources: test images of one domain.
        translations: their translations.
        cycled: the translations translated back.
        back: translates any images of the translations' domain back, in evaluation mode.
    """

    sources: Tensor
    translations: Tensor
    cycled: Tensor
    back: Callable[[Tensor], Tensor]


Compared = Literal["truth", "source", "cycle", "domain"]


class Metric(Protocol):
    """Built as `(*, options)`; images are in [0, 1], randomness is drawn from torch's global generator alone.

    `compares` says with what translations are compared, and so how it is called; without it, with the truth.

    - `"truth"`: called as `(translations, references)`, two `(N, C, H, W)` batches of the same scenes; returns one
      number an image, `(N,)`. It is computed where the test split is aligned.
    - `"source"`: called as `(translations, sources)`, and returns the same. It is computed where both domains have as
      many channels.
    - `"cycle"`: called with a `Cycle`; returns one number an image, `(N,)`.
    - `"domain"`: called as `(made, real)`, the features of a set of translations `(N, D)` and of a set of real images
      `(M, D)`, `N` and `M` being 2 at least; returns one number, a scalar. A method `features(images)` turns
      `(N, C, H, W)` into `(N, D)`, one row an image.

    Optional attributes:
        better: `"higher"` or `"lower"`: what good translations have; without it, or with None, neither.
        extractor: what the features are made with, in words, its version or checksum included; part of the protocol
            of each number. Metrics of one extractor share the features of every image.
        enough: with `"domain"`, how many images of each kind the number needs to say little of how many there were.
            With fewer it is computed, and the user is told.
    """

    compares: Compared

    def __call__(self, *shown: Any) -> Tensor:
        """Return one number an image, `(N,)`; with `"domain"`, a scalar."""


class Tracker(Protocol):
    """Built as `(folder, *, options)`; `folder` is the run folder, a `pathlib.Path`.

    Called from a thread of its own while the run waits. One that raises, or takes longer than the spec's
    `log.patience`, is not called again, and the run goes on.
    """

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Write named numbers of a step."""

    def rewind(self, step: int) -> None:
        """Forget everything after `step`: the run continues from a checkpoint of that step."""

    def close(self) -> None:
        """Flush and release what is held."""


class RunFolderView(Protocol):
    """The folder of a run, as a plugin sees it."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def status(self) -> dict[str, Any]:
        """Return the content of `status.json`; an empty dictionary if there is none yet."""


class RunView(Protocol):
    """A run, as the run hooks see it."""

    @property
    def spec(self) -> Any:
        """The resolved spec, a `cgkit.spec.Spec`."""

    @property
    def plugins(self) -> Any:
        """The loaded plugins, a `cgkit.plugins.Plugins`."""

    @property
    def folder(self) -> RunFolderView:
        """The run folder."""

    @property
    def step(self) -> int:
        """The number of steps done."""

    @property
    def steps(self) -> int:
        """The number of steps of the whole run."""


Options = Mapping[str, Any]
"""A component's options as a spec gives them."""


def kind_named(name: str) -> Kind:
    """Return the kind whose registry or table has that name.

    Raises:
        KeyError: no kind is called so.
    """
    for kind in KINDS:
        if name in (kind.name, kind.table):
            return kind
    raise KeyError(name)


def kind_names() -> Sequence[str]:
    """Return the registries' names in order."""
    return tuple(kind.name for kind in KINDS)


__all__ = [
    "KINDS",
    "AdversarialLoss",
    "Augmentation",
    "Compared",
    "Cycle",
    "Discriminator",
    "Domain",
    "Generator",
    "ImageRecord",
    "Kind",
    "Metric",
    "Options",
    "Recognised",
    "ReconstructionLoss",
    "Role",
    "Schedule",
    "Size",
    "Source",
    "Tracker",
    "kind_named",
    "kind_names",
]
