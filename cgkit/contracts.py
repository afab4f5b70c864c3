"""The contract of each kind of component: how it is built and called, with shapes, types and value ranges.

A component is a callable, usually a class. It is called with the positional arguments of its kind (see `KINDS`) and
with its options, which are its keyword-only parameters; the object that it returns follows the protocol of its kind.

- Images are float tensors `(N, C, H, W)`: in [-1, 1] for networks and reconstruction losses, in [0, 1] for sources,
  augmentations, metrics and files. With bf16 precision, networks run under autocast.
- Raise `ValueError` if options are incompatible or an image cannot be processed; the message is shown to the user.
- Draw randomness from torch's global generator only. The engine seeds it, so that runs can be reproduced and resumed.
- Losses and adversarial augmentations may be `nn.Module`s. They are moved to the run's device and are not trained. All
  of their parameters and buffers are saved in checkpoints, so that a resumed run continues exactly. An adversarial
  loss with state has an instance for each domain and scale.

Options are typed by their annotations. A type can be a number, a string, a `bool`, a `Path`, a `Literal`, an `Enum`, a
dataclass, a `NamedTuple`, or a tuple, list or dictionary of such types. A relative path in a spec is relative to the
spec's file. An option whose type is a contract of this module, such as `Schedule` or `Schedule | None`, names another
component: `then = { name = "cosine" }`. The component then receives it built; if its kind is built with positional
arguments, it receives a function of these arguments that builds it.

Optional attributes of any component:
    former_options: a dictionary of option names that the component used to have, with their present names. Specs, runs
        and models with a former name still work, with a warning.

Optional attributes and methods of components that are `nn.Module`s:
    initialise(): called once after the first weights have been drawn, only in a new run and not in one that resumes. It
        may read weights from a path among the options. A model for translating never calls it, and does not keep such
        paths, so a generator must be able to be built without them.
    saved: false, in any of their modules, to leave that module's tensors out of checkpoints, such as those of a frozen
        network that `__init__` reads from a file. A resumed run checks that they are the same. Models keep them.

Optional static methods of any component:
    recommended(size): returns options that suit images of that `(height, width)`; used if the spec leaves them out.
    example(folder): returns the options of a small example; needed if some options have no default. It may create files
        in `folder`, which is empty. The conformance kit builds the component with the returned options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from cgkit.export_contract import Exporter
from cgkit.format_contract import Format, ImageHeader, Layout, OpenImage, Reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

Size = tuple[int, int]
"""Height and width in pixels."""

Options = Mapping[str, Any]
"""The options of a component by name, as in a spec."""


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    Attributes:
        name: the name of its registry, plural: `adversarial_losses`.
        table: the name in a spec, singular: `adversarial_loss`.
        given: the names of the positional arguments with which the engine builds a component.
        summary: one sentence on the purpose of components of this kind.
        keys: the keys of the table that are not options; no option may have such a name.
        in_spec: whether a spec names components of this kind; otherwise, a command does.
    """

    name: str
    table: str
    given: tuple[str, ...]
    summary: str
    keys: tuple[str, ...] = ("name",)
    in_spec: bool = True


KINDS: tuple[Kind, ...] = (
    Kind(
        "generators",
        "generator",
        ("in_channels", "out_channels"),
        "Networks that translate images.",
        ("name", "a2b", "b2a"),
    ),
    Kind(
        "discriminators",
        "discriminator",
        ("in_channels",),
        "Networks that distinguish real from generated images.",
        ("name", "a", "b"),
    ),
    Kind("adversarial_losses", "adversarial_loss", (), "Losses computed from a discriminator's logits."),
    Kind("reconstruction_losses", "reconstruction_loss", (), "Distances for the cycle and identity losses."),
    Kind("terms", "term", (), "Further terms of the generators' objective.", ("name", "weight")),
    Kind("augmentations", "augmentation", (), "Random transformations of training images.", ("name", "domain")),
    Kind(
        "sources",
        "source",
        ("size",),
        "Providers of training and test images.",
        ("source", "size", "channels", "background", "alpha", "range", "depth", "pages", "array", "workers"),
    ),
    Kind(
        "optimizers",
        "optimizer",
        ("parameters", "learning_rate"),
        "Optimisers of the weights.",
        ("name", "generators", "discriminators"),
    ),
    Kind(
        "schedules",
        "schedule",
        (),
        "Factors of the learning rate over the steps of a run.",
        ("name", "generators", "discriminators"),
    ),
    Kind("metrics", "metric", (), "Measures of the quality of translations."),
    Kind("trackers", "tracker", ("folder",), "Recorders of losses and scores."),
    Kind("exporters", "exporter", (), "Writers of a generator in a format that other programs read.", in_spec=False),
    Kind("formats", "format", (), "Readers and writers of image files."),
)


class Generator(Protocol):
    """An `nn.Module` built as `(in_channels, out_channels, *, options)`.

    Called with `(N, in_channels, H, W)` in [-1, 1]; returns `(N, out_channels, H, W)` in [-1, 1], of the same H and W.

    Optional attributes:
        stride: the number that H and W must be multiples of (default 1); the engine pads other images and crops their
            translations.
        mixes_samples: true if the translation of an image depends on the other images in the batch. Batch norm is
            detected automatically.
        initialises_itself: true, in any of its modules, to keep the initial weights of that module and its submodules.
            Otherwise the weights of convolutions and linear layers are drawn from N(0, 0.02), as published.
        channels_last: true, in any of its modules, if the network works in channels_last on a GPU; its weights are then
            in that memory format, and `train.compile = "auto"` leaves it alone.

    Optional method for terms of the objective:
        features(images): returns feature maps `(N, C, h, w)` of the images, from shallow to deep.

    Optional methods to exchange weights with other programs:
        recognise(tensors): static. Given the tensors of a file by name, returns a `Recognised`, or None if they belong
            to a different kind of network. Raises `ValueError` if the tensors belong to this kind but cannot be used.
        published_tensors(): returns the network's tensors, detached, by the names that other programs use. `recognise`
            must recognise an equal network in these tensors. Raises `ValueError` if those programs have no equal
            network.

    Images that do not fit into memory are translated in tiles, with the same result, if torch.fx can trace the forward
    pass, all norms over an image are torch's (`GroupNorm`, `InstanceNorm2d` or their functional forms), and the output
    pixels of every other operation depend only on nearby input pixels.
    """

    def __call__(self, images: Tensor, /) -> Tensor:
        """Translate a batch of images."""


@dataclass(frozen=True)
class Recognised:
    """A generator that was recognised in the tensors of a file.

    Attributes:
        in_channels: the number of channels of the generator's input.
        out_channels: the number of channels of the generator's output.
        options: the options of the generator; options left out have their defaults.
        state: the state dict of the generator built with these options.
        remarks: sentences for the user, such as which tensors were ignored or which options could not be determined.
    """

    in_channels: int
    out_channels: int
    options: Options
    state: Mapping[str, Tensor]
    remarks: tuple[str, ...] = ()


class Discriminator(Protocol):
    """An `nn.Module` built as `(in_channels, *, options)`.

    Called with `(N, in_channels, H, W)` in [-1, 1]; returns logits `(N, 1, h, w)`, without a sigmoid, or a list of such
    tensors, one for each scale.

    Optional attributes: `mixes_samples` and `initialises_itself`, as for a generator; and
        remembers_images: true if the network stores information about images in buffers. The network is then called as
            `discriminator(images, real=..., learning=...)`: `real` says whether the images are real, `learning` whether
            the discriminator is being trained on them. Both must have defaults. The default of `learning` is False: the
            call is for the generator's loss, a penalty or a test, and must not change the buffers.
    """

    def __call__(self, images: Tensor, /) -> Tensor | list[Tensor]:
        """Return the logits of a batch of images; a high logit means real."""


@runtime_checkable
class AdversarialLoss(Protocol):
    """Built as `(*, options)`. Logits are float32 (or float64) tensors of any shape; all results are scalars.

    Optional method:
        penalty(discriminator, real, fake): returns a scalar that is added to the discriminator's loss. `real` and
            `fake` are float32 image batches of equal shape. `discriminator` may be called with images any number of
            times and differentiated twice.

    Optional attribute:
        wants_real_logits: true if the generator's loss compares generated with real images. The engine then calls
            `generator_loss(fake_logits, real_logits)`.
    """

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the loss that the discriminator minimises, including any constant factor, such as 1/2 in CycleGAN."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return the loss that the generator minimises."""


class ReconstructionLoss(Protocol):
    """Built as `(*, options)`: a distance between two image batches of equal shape in [-1, 1]."""

    def __call__(self, reconstruction: Tensor, target: Tensor, /) -> Tensor:
        """Return the distance, a scalar that is zero for equal batches."""


Need = Literal["source", "target", "translation", "reconstruction", "identity", "mask", "label", "partner"]
"""What a term may ask for; see `Given`."""


@dataclass(frozen=True)
class Given:
    """What a term of one direction is computed from; None for images that the term did not ask for.

    All images are float32 (or float64) batches `(N, C, H, W)` in [-1, 1]. For the direction `a2b`:

    Attributes:
        generator: the generator of the direction, G.
        source: real images of domain a.
        target: real images of domain b, which show other scenes.
        translation: G(source).
        reconstruction: the translation, translated back by the other generator.
        identity: G(target); it needs equal channels in both domains.
        extras: what the data set knows about the source images, framed and flipped with them: `mask`, `(N, 1, H, W)`
            in [0, 1]; `label`, class numbers, int64 `(N, 1, H, W)`; `partner`, the same scenes in domain b. For images
            without one, the values are 0.
        present: for each of the extras, whether an image has it: `(N,)`, 1 or 0.
    """

    generator: nn.Module
    source: Tensor
    target: Tensor
    translation: Tensor | None = None
    reconstruction: Tensor | None = None
    identity: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    present: Mapping[str, Tensor] = field(default_factory=dict)


class Term(Protocol):
    """An `nn.Module` built as `(*, options)`: a term that is added to the objective of the generators.

    Each direction whose weight is not 0 has its own instance, in every checkpoint. With bf16 precision, a term is
    called under autocast; disable autocast for sums that need float32. It may draw random numbers with torch; numbers
    drawn on the device of the images do not keep a step from running as a CUDA graph.

    Attributes:
        needs: what the term is computed from, by the names in `Given`. At least one must be a generated image:
            `translation`, `reconstruction` or `identity`. `source` and `target` are always given.

    Optional attribute:
        trained: true if the optimiser of the generators also trains the term's own parameters, such as those of a
            projection head. Otherwise they stay as they are.

    Optional method:
        prepare(generator, example): called once, before the optimisers exist, with the direction's generator and one
            image of its source domain, `(1, C, H, W)` in [-1, 1]. It may create the layers whose sizes depend on them.
            Raises `ValueError` if the term cannot be used with this generator.
    """

    needs: tuple[Need, ...]

    def __call__(self, given: Given, /) -> Tensor:
        """Return the term, a scalar, without its weight."""


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
      optional method `smallest(size)` returns the smallest `(height, width)` that an image may have.

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


class Domain(Protocol):
    """The images of one domain, by index. A domain must be picklable and fast to index.

    Optional method:
        order(epoch, seed): returns all indices in the order in which that epoch shows the images. The order must depend
            on nothing but the arguments; by default, it is uniformly random. Define this method if images are faster to
            read in groups.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ImageRecord: ...

    def fingerprint(self) -> str:
        """Return a string that differs for different images; a run resumes only if the fingerprint is unchanged."""


class Source(Protocol):
    """Built as `(size, *, options)`, where `size` is the `(height, width)` of training images.

    `aligned` says whether `test()[0][i]` and `test()[1][i]` show the same scene, so that translations can be compared
    with the ground truth. Training images are never aligned.
    """

    aligned: bool

    def train(self) -> tuple[Domain, Domain]:
        """Return the training images of domains a and b."""

    def test(self) -> tuple[Domain, Domain]:
        """Return the test images of domains a and b."""


class Optimizer(Protocol):
    """A `torch.optim.Optimizer` built as `(parameters, learning_rate, *, options)`.

    `parameters` is the list of parameters of both generators, or of both discriminators. cgkit multiplies the learning
    rate of each parameter group by the factor of the schedule. The state must consist of tensors and JSON values.

    An optimiser of torch with `fused=True` skips a step whose gradients are not finite on the device itself. Any other
    is waited for in every step, and a run with it does not become a CUDA graph.
    """

    def step(self) -> Any:
        """Update the parameters by their gradients."""


class Schedule(Protocol):
    """Built as `(*, options)`: a function that returns the factor of the learning rate at each step."""

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return the factor at `step`, from 0 to `steps` - 1, of a run with `epoch_steps` steps per epoch."""


@dataclass(frozen=True)
class Cycle:
    """The input of a metric that evaluates cycles. All images are `(N, C, H, W)` in [0, 1].

    Attributes:
        sources: test images of one domain.
        translations: their translations.
        cycled: the reconstructions, that is, the translations translated back.
        back: the function that translates a batch of images in the opposite direction, with the generator in evaluation
            mode.
    """

    sources: Tensor
    translations: Tensor
    cycled: Tensor
    back: Callable[[Tensor], Tensor]


Compared = Literal["truth", "source", "cycle", "domain"]


class Metric(Protocol):
    """Built as `(*, options)`. Images are in [0, 1]. `compares` says how it is called; the default is `"truth"`.

    - `"truth"`: called as `(translations, references)`, two batches `(N, C, H, W)` of the same scenes; returns one
      number for each image, `(N,)`. Computed if the test images are aligned.
    - `"source"`: called as `(translations, sources)`; returns `(N,)`. Computed if both domains have the same channels.
    - `"cycle"`: called with a `Cycle`; returns one number for each image, `(N,)`.
    - `"domain"`: called as `(translations, real)` with the features of two sets of images, `(N, D)` and `(M, D)`, N and
      M at least 2; returns a scalar. A method `features(images)` turns `(N, C, H, W)` into `(N, D)`.

    Optional attributes:
        better: `"higher"` or `"lower"`, depending on which values are better; None, the default, if neither are.
        extractor: a description of the feature extractor with its version or checksum, recorded with each score.
            Metrics with the same extractor share the features of every image.
        enough: for `"domain"`, the number of images in each set above which the result hardly depends on that number.
            With fewer images, the metric is still computed, but a warning is shown.
    """

    compares: Compared

    def __call__(self, *shown: Any) -> Tensor:
        """Return one number for each image, `(N,)`; for `"domain"`, a scalar."""


class Tracker(Protocol):
    """Built as `(folder, *, options)`, where `folder` is the `Path` of the run folder.

    Called from a separate thread while the run waits. If it raises, or exceeds `log.patience`, it is not called again.

    Optional methods:
        start(run): called first, with a `cgkit.hookspecs.RunView`; a checkpoint to resume from has been loaded.
        samples(step, file), checkpoint(step, folder): called for each sample sheet and each checkpoint.
        finish(error): called before `close`, like the hook `cgkit_run_finished`.
    """

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """Record the values of a step by name."""

    def rewind(self, step: int) -> None:
        """Delete everything recorded after `step`, because the run resumes from the checkpoint of that step."""

    def close(self) -> None:
        """Write everything that is still buffered, and release all resources."""


CONTRACTS: Mapping[Any, str] = {
    Generator: "generators",
    Discriminator: "discriminators",
    AdversarialLoss: "adversarial_losses",
    ReconstructionLoss: "reconstruction_losses",
    Term: "terms",
    Augmentation: "augmentations",
    Source: "sources",
    Optimizer: "optimizers",
    Schedule: "schedules",
    Metric: "metrics",
    Tracker: "trackers",
}
"""The registry of each contract. An option annotated with a contract names another component; see `cgkit.options`."""


def kind_named(name: str) -> Kind:
    """Return the kind whose registry or table in a spec has that name; raise `KeyError` if no kind has it."""
    for kind in KINDS:
        if name in (kind.name, kind.table):
            return kind
    raise KeyError(name)


__all__ = [
    "CONTRACTS",
    "KINDS",
    "AdversarialLoss",
    "Augmentation",
    "Compared",
    "Cycle",
    "Discriminator",
    "Domain",
    "Exporter",
    "Format",
    "Generator",
    "Given",
    "ImageHeader",
    "ImageRecord",
    "Kind",
    "Layout",
    "Metric",
    "Need",
    "OpenImage",
    "Optimizer",
    "Options",
    "Reading",
    "Recognised",
    "ReconstructionLoss",
    "Role",
    "Schedule",
    "Size",
    "Source",
    "Term",
    "Tracker",
    "kind_named",
]
