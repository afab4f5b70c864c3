"""Learn the map of grey matter from a T1-weighted MR, without pairs, and compare whole volumes with the truth.

    pip install 'cgkit-medical[demo]' && python benchmarks/brain.py FOLDER [STEPS] [NEIGHBOURS]

The MR and the map are templates of the Montreal Neurological Institute, which nilearn ships. They show one brain, an
average of many. Twelve "patients" are made of it by random smooth deformations, so what is measured is whether the
mapping is learnt, not how well it transfers to other people. The two domains show different patients; two more
patients are held out, of whom both volumes are known.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import torch
from nilearn.datasets import load_mni152_gm_template, load_mni152_template
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from cgkit.components.metrics.psnr import Psnr
from cgkit.components.metrics.ssim import Ssim

SPACING = 3  # mm
PATIENTS = {"mr": range(0, 6), "grey": range(6, 12), "test-mr": range(12, 14), "test-grey": range(12, 14)}

SPEC = """
name = "brain"
requires = ["cgkit-medical"]

[data]
source = "volumes"
a = "mr"
b = "grey"
test_a = "test-mr"
test_b = "test-grey"
aligned = true
channels = {channels}
neighbours = {neighbours}
size = 64
range = {{ a = [0, 1], b = [0, 1] }}
workers = 0

[generator]
name = "resnet"
width = 16
blocks = 3
downsamplings = 1
upsample = "resize"

[discriminator]
name = "patch"
width = 32
layers = 3

[[augmentation]]
name = "resize-and-crop"
resize = false

[train]
steps = {steps}
learning_rate = 4e-4
discriminator_learning_rate = 2e-4
ema = 0.995

[objective]
identity = 0
cycle = 2          # white matter and water are both black in the map, so the way back cannot be exact

[[metric]]
name = "psnr"

[[metric]]
name = "ssim"
"""


def deform(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return a volume deformed by a random smooth field of a few voxels."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*map(np.arange, values.shape), indexing="ij")).astype(np.float32)
    for axis in range(3):
        field = gaussian_filter(random.normal(size=values.shape), 8)
        grid[axis] += 2.0 * field / field.std()
    return map_coordinates(values, grid, order=1).astype(np.float32)


def write_patients(folder: Path) -> None:
    """Write the volumes of all patients."""
    images = {"mr": load_mni152_template(SPACING), "grey": load_mni152_gm_template(SPACING)}
    for name, seeds in PATIENTS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        image = images[name.removeprefix("test-")]
        for seed in seeds:
            values = deform(np.asarray(image.dataobj, np.float32), seed).clip(0, 1)
            nibabel.save(nibabel.Nifti1Image(values, image.affine), folder / name / f"sub-{seed:02}.nii.gz")


def score(folder: Path, translated: Path) -> dict[str, float]:
    """Return the mean scores of translated and of untranslated volumes: of axial slices, and within the brain."""
    scores: dict[str, list[float]] = {}
    for truth_file in sorted((folder / "test-grey").iterdir()):
        files = {"translated": translated / truth_file.name, "untranslated": folder / "test-mr" / truth_file.name}
        truth = nibabel.load(truth_file)
        brain = nibabel.load(files["untranslated"]).get_fdata() > 0.05
        for name, file in files.items():
            image = nibabel.load(file)
            assert np.array_equal(image.affine, truth.affine)
            correlation = np.corrcoef(image.get_fdata()[brain], truth.get_fdata()[brain])[0, 1]
            scores.setdefault(f"correlation {name}", []).append(round(float(correlation), 3))
            stacks = (each.get_fdata(dtype=np.float32).transpose(2, 1, 0)[:, None] for each in (image, truth))
            shown, wanted = map(torch.from_numpy, stacks)
            filled = wanted.amax(dim=(1, 2, 3)) > 0.1  # a slice without grey matter scores perfectly if it is empty
            for metric in (Psnr(), Ssim()):
                score = float(metric(shown[filled], wanted[filled]).mean())
                scores.setdefault(f"{type(metric).__name__} {name}", []).append(round(score, 3))
    return {name: float(np.mean(each)) for name, each in scores.items()}


def call(*arguments: object) -> None:
    """Run a command of cgkit."""
    subprocess.run([sys.executable, "-m", "cgkit", *map(str, arguments)], check=True)


def main(folder: Path, steps: int = 4000, neighbours: int = 0) -> None:
    """Make the volumes, train, translate and print the scores."""
    if not (folder / "mr").exists():
        write_patients(folder)
    spec, run = folder / f"spec-{neighbours}.toml", folder / f"run-{neighbours}"
    spec.write_text(SPEC.format(steps=steps, neighbours=neighbours, channels=2 * neighbours + 1))
    start = time.perf_counter()
    call("run", spec, "--output", run)
    print(f"{steps} steps in {time.perf_counter() - start:.0f} s")
    for samples in (16, 0):
        output = folder / f"out-{neighbours}-{samples}"
        call("translate", run, folder / "test-mr", "--output", output, "--statistics-from", samples, "--overwrite")
        print(f"neighbours = {neighbours}, statistics from {samples} slices:", score(folder, output))


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[2:]]
    main(Path(sys.argv[1]), *numbers)
