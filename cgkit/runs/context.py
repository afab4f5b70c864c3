"""Everything that the parts of a run share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from cgkit.data.pixel_formats import pixel_formats
from cgkit.display.reporter import Reporter
from cgkit.engine.assembly import Assembly
from cgkit.engine.distributed import ALONE, Processes
from cgkit.evaluation.images import MeasuredImages
from cgkit.images.pixels import PixelFormat
from cgkit.plugins import Plugins
from cgkit.runs.continuing.launch import Launch
from cgkit.runs.folder import RunFolder
from cgkit.runs.starting import Started
from cgkit.spec import Spec
from cgkit.spec.images import labels_of
from cgkit.spec.providers import providers_used
from cgkit.spec.reading import Layer


@dataclass(frozen=True)
class RunContext:
    """A valid spec, the objects built from it, and the surroundings of a run.

    Attributes:
        spec: the resolved spec.
        assembly: the objects built from the spec.
        folder: the run folder.
        plugins: the loaded plugins.
        device: the device that the run computes on.
        reporter: shows the progress of the run to its user.
        processes: the ranks of the run.
        layers: the spec's file and overrides, from which error messages quote.
        declared: the settings and tables that may differ from those of the run in the folder.
        left_out: what is wrong with each damaged image that is left out.
        launch: the options with which the run was started.
        started: what the networks of a new run took from elsewhere.
        until: the step at which the run stops, if it is not to go on to its end.
    """

    spec: Spec
    assembly: Assembly
    folder: RunFolder
    plugins: Plugins
    device: torch.device
    reporter: Reporter
    processes: Processes = ALONE
    layers: Sequence[Layer] = ()
    declared: Sequence[str] = ()
    left_out: Sequence[str] = ()
    launch: Launch = field(default_factory=Launch)
    started: tuple[Started, ...] = ()
    until: int | None = None

    @cached_property
    def providers(self) -> Mapping[str, str]:
        """The versions, by name, of the distributions that provide the spec's components."""
        return providers_used(self.spec, self.plugins)

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a person calls the directions and domains; see `cgkit.spec.images.labels_of`."""
        return labels_of(self.spec.to_json())

    @property
    def pixels(self) -> tuple[PixelFormat, PixelFormat]:
        """The pixel formats of domain a and domain b."""
        return pixel_formats(self.spec.data)

    @cached_property
    def evaluation_images(self) -> MeasuredImages:
        """The images on which the run is evaluated."""
        return self.measured_images(self.spec.evaluation.count)

    def measured_images(self, count: int) -> MeasuredImages:
        """Return up to `count` test images and up to `count` training images of each domain, for measuring."""
        assembly = self.assembly
        return MeasuredImages(assembly.source, self.pixels, assembly.test_preparations, count)
