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

from collections.abc import Mapping
from typing import Any

from cgkit.contracts.evaluation import Compared, Cycle, Metric, Objects, Tracker
from cgkit.contracts.exporters import ExportedDirection, Exporter, ModelFacts, SamplePair
from cgkit.contracts.formats import FileModel, Format, ImageHeader, Layout, OpenImage, Reading, Statistics
from cgkit.contracts.images import Augmentation, Domain, ImageRecord, ObjectKind, Role, Source
from cgkit.contracts.kinds import KINDS, Kind, kind_named
from cgkit.contracts.losses import AdversarialLoss, ReconstructionLoss
from cgkit.contracts.networks import Discriminator, Generator, Recognised
from cgkit.contracts.options import Options, Size
from cgkit.contracts.terms import Extra, Generated, Given, Need, Term
from cgkit.contracts.training import Optimizer, Schedule

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
    Exporter: "exporters",
    Format: "formats",
}
"""The registry of each contract. An option annotated with a contract names another component; see `cgkit.options`."""

__all__ = [
    "CONTRACTS",
    "KINDS",
    "AdversarialLoss",
    "Augmentation",
    "Compared",
    "Cycle",
    "Discriminator",
    "Domain",
    "ExportedDirection",
    "Exporter",
    "Extra",
    "FileModel",
    "Format",
    "Generated",
    "Generator",
    "Given",
    "ImageHeader",
    "ImageRecord",
    "Kind",
    "Layout",
    "Metric",
    "ModelFacts",
    "Need",
    "ObjectKind",
    "Objects",
    "OpenImage",
    "Optimizer",
    "Options",
    "Reading",
    "Recognised",
    "ReconstructionLoss",
    "Role",
    "SamplePair",
    "Schedule",
    "Size",
    "Source",
    "Statistics",
    "Term",
    "Tracker",
    "kind_named",
]
