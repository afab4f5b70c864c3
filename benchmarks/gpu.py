"""Everything that is worth measuring on a GPU, in one command of a few minutes.

    python benchmarks/gpu.py --minutes 6 --output gpu.json

It runs the tests of the GPU; measures the training step, the loader and NCCL; and spends the minutes that are left on a
training run, by default on the built-in images (--data gives a folder with trainA, trainB, testA and testB). Results
are written after each part, so it can be stopped at any moment. It needs no network. `--dry-run` goes through all parts
with tiny sizes on whatever device there is.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measuring import machine, matrix_product_rate, own_peak_memory, timed, trainer_for, wait_for_device
from translation import write_images

from cgkit.components.sources.folder import Folder
from cgkit.data.loading import Batch, UnpairedImages, training_batches
from cgkit.data.preparation import Preparation
from cgkit.data.sampling import StepBatches
from cgkit.data.workers import count_workers
from cgkit.engine.gpu.arithmetic import arithmetic
from cgkit.engine.precision import Precision
from cgkit.images.pixels import PixelFormat

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from plain_cyclegan import CycleGAN

ROOT = Path(__file__).resolve().parents[1]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FLOPS = 1.885e12 / 256**2
"""Multiplications and additions, counted as two, that a step needs per pixel of a pair of images: ResNet-9 of width 64
and PatchGAN, as counted by torch's FlopCounterMode on `plain_cyclegan.py`."""

NETWORKS = {"width": 64, "blocks": 9}
TINY_NETWORKS = {"width": 4, "blocks": 1}


@dataclass(frozen=True)
class Case:
    """A step to measure: `plain`, `eager` or `graph`; its precision, images, and whether it is deterministic."""

    kind: str
    precision: str
    size: int = 256
    batch: int = 1
    deterministic: bool = True


CASES = [
    Case("plain", "tf32"),
    Case("eager", "bf16"),
    Case("graph", "bf16"),
    Case("plain", "tf32", batch=16),
    Case("graph", "bf16", batch=16),
    Case("eager", "bf16", batch=16),
    Case("graph", "bf16", batch=4),
    Case("plain", "tf32", batch=4),
    Case("graph", "bf16", deterministic=False),
    Case("graph", "bf16", batch=16, deterministic=False),
    Case("graph", "bf16", size=512),
    Case("graph", "bf16", size=128),
    Case("graph", "bf16", size=64),
    Case("plain", "tf32", size=512),
    Case("plain", "tf32", size=128),
    Case("plain", "tf32", size=64),
    Case("graph", "tf32"),
    Case("graph", "fp32"),
    Case("graph", "bf16", size=512, batch=4),
    Case("graph", "bf16", size=128, batch=16),
    Case("graph", "bf16", size=64, batch=16),
    Case("graph", "tf32", batch=16),
]


class Benchmark:
    """The parts of the benchmark, and the document that they fill."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.end = time.monotonic() + 60 * options.minutes
        self.document: dict[str, Any] = {"title": "On a GPU", "machine": machine(), "parts": {}}
        options.output.parent.mkdir(parents=True, exist_ok=True)
        self.networks = TINY_NETWORKS if options.dry_run else NETWORKS

    def run(self) -> None:
        """Run all parts, one after the other; a part that fails is reported, and the next one runs."""
        self.say(f"On a GPU: {self.document['machine']['gpu'] or 'there is none'}, torch {torch.__version__}")
        for part in (self.peaks, self.steps, self.tests, self.loader, self.nccl, self.training):
            name = part.__name__
            if self.options.only and name not in self.options.only:
                continue
            start = time.monotonic()
            try:
                part()
            except Exception:  # noqa: BLE001 - the other parts are still worth measuring
                self.record(name, {"failed": traceback.format_exc()[-2000:]})
                traceback.print_exc()
            self.say(f"{name} took {time.monotonic() - start:.0f} s")

    def say(self, text: str) -> None:
        """Print a line with the seconds that are left."""
        print(f"[{self.end - time.monotonic():4.0f} s left] {text}", flush=True)

    def record(self, part: str, values: Any) -> None:
        """Write the results of a part."""
        self.document["parts"][part] = values
        self.options.output.write_text(json.dumps(self.document, indent=2) + "\n", encoding="utf-8")

    def tests(self) -> None:
        """Run the tests that are worth running on a GPU."""
        log = self.options.output.with_suffix(".tests.log")
        selection = (
            ["tests/components/layers/test_sizes.py"]
            if self.options.dry_run
            else [*("-m", "gpu", "tests/gpu", "tests/golden", "tests/components", "tests/contracts/test_swapping.py")]
        )
        flags = [
            "-n",
            str(max(1, min(12, (os.cpu_count() or 1) - 2))),
            "-p",
            "no:cacheprovider",
            "-p",
            "no:benchmark",
            "--timeout",
            "120",
            "--tb=short",
            "-vra",
        ]
        with log.open("w") as stream:
            try:
                subprocess.run(
                    [sys.executable, "-m", "pytest", *flags, *selection],
                    cwd=ROOT,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    timeout=self.options.test_seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                stream.write("\nstopped, because the time was over\n")
        lines = log.read_text().splitlines()
        outcomes = [found[1] for line in lines if (found := re.search(r"\] (PASSED|FAILED|SKIPPED|ERROR) ", line))]
        counts = {outcome.lower(): outcomes.count(outcome) for outcome in sorted(set(outcomes))}
        failed = [line.split(" ", 1)[1] for line in lines if re.search(r"\] (FAILED|ERROR) ", line)]
        self.record("tests", {"summary": lines[-1] if lines else "", "counts": counts, "failed": failed})
        self.say(f"tests: {counts} {lines[-1] if lines else ''}")
        for line in failed:
            self.say(f"  {line}")

    def peaks(self) -> None:
        """Measure the rates of matrix products and of copies."""
        rates = {f"{name}, TFLOP/s": matrix_product_rate(name) / 1e12 for name in ("bf16", "tf32", "fp32")}
        source = torch.empty(1 << (20 if self.options.dry_run else 29), dtype=torch.uint8, device=DEVICE)
        target = torch.empty_like(source)
        rates["copy, TB/s"] = 2 * source.numel() / _seconds(lambda: target.copy_(source)) / 1e12
        self.record("peaks", rates)
        self.say(str({name: round(rate, 1) for name, rate in rates.items()}))

    def steps(self) -> None:
        """Measure the training step, in order of importance, until the time for it is over."""
        rows: list[dict[str, Any]] = []
        peaks = self.document["parts"].get("peaks", {})
        last = time.monotonic() + self.options.step_seconds
        for case in CASES[:4] if self.options.dry_run else CASES:
            if time.monotonic() > last and not self.options.dry_run:
                self.say("the other steps are left out, because the time for them is over")
                break
            try:
                rows.append(self._measure(case, peaks))
            except Exception as error:  # noqa: BLE001 - too large for this GPU, say
                rows.append({**case.__dict__, "failed": str(error)[:300]})
            row = rows[-1]
            same = (other for other in rows if (other["size"], other["batch"]) == (row["size"], row["batch"]))
            plain = next((other for other in same if other["kind"] == "plain" and "seconds" in other), None)
            if plain and "seconds" in row:
                row["faster"] = plain["seconds"] / row["seconds"]
            self.record("steps", rows)
            self.say(_describe(rows[-1]))

    def _measure(self, case: Case, peaks: dict[str, float]) -> dict[str, Any]:
        if self.options.dry_run:
            case = Case(case.kind, "fp32" if DEVICE.type == "cpu" else case.precision, 32, case.batch)
        _reset_memory()
        with arithmetic(Precision(case.precision, DEVICE), deterministic=case.deterministic and case.kind != "plain"):
            step, about = self._prepare(case)
            seconds = _seconds(step, total=0.0 if self.options.dry_run else 1.5)
        rate = FLOPS * case.size**2 * case.batch / seconds
        peak = peaks.get(f"{case.precision}, TFLOP/s")
        return {
            **case.__dict__,
            **about,
            "seconds": seconds,
            "pairs a second": case.batch / seconds,
            "memory, GB": own_peak_memory() / 1e9,
            "reserved, GB": torch.cuda.memory_reserved() / 1e9,
            "share of peak": None if self.options.dry_run or not peak else rate / 1e12 / peak,
        }

    def _prepare(self, case: Case) -> tuple[Callable[[], object], dict[str, Any]]:
        torch.manual_seed(0)
        real_a, real_b = torch.rand(2, case.batch, 3, case.size, case.size) * 2 - 1
        if case.kind == "plain":
            model = CycleGAN(width=self.networks["width"], blocks=self.networks["blocks"]).to(DEVICE)
            on_device = real_a.to(DEVICE), real_b.to(DEVICE)
            return lambda: model.step(*on_device), {}
        trainer = trainer_for(case.size, self.networks, Precision(case.precision, DEVICE), batch=case.batch)
        if DEVICE.type == "cuda":
            real_a, real_b = real_a.pin_memory(), real_b.pin_memory()
        batches = [Batch(real_a, real_b, ("",) * case.batch, ("",) * case.batch)]
        about: dict[str, Any] = {}
        if case.kind == "graph" and DEVICE.type == "cuda":
            start = time.monotonic()
            about["not recorded"] = trainer.record(batches)
            about["seconds to record"] = time.monotonic() - start
        return lambda: trainer.step(batches), about

    def loader(self) -> None:
        """Measure how many pairs of 286 px JPEG files a second the workers load, at 256 px."""
        size, count, seconds = (16, 8, 0.1) if self.options.dry_run else (256, 64, 6.0)
        with tempfile.TemporaryDirectory() as name:
            for side in ("a", "b"):
                write_images(Path(name) / side, count, 286)
            source = Folder((size, size), a=Path(name) / "a", b=Path(name) / "b")
            pixels = (PixelFormat(3), PixelFormat(3))
            images = UnpairedImages(source.train(), pixels, (Preparation((size, size)),) * 2, 0)
            workers = count_workers("auto", on_gpu=DEVICE.type == "cuda", rendered=False)
            order = StepBatches(0, 10**6, 16)
            batches = training_batches(images, order, workers=workers, pin_memory=DEVICE.type == "cuda")
            for _ in range(2 * workers + 1):
                next(batches)
            start, loaded = time.monotonic(), 0
            while time.monotonic() - start < seconds:
                next(batches)
                loaded += 16
            rate = loaded / (time.monotonic() - start)
            batches.close()  # type: ignore[attr-defined]
        self.record("loader", {"workers": workers, "pairs a second": rate})
        self.say(f"the loader: {rate:.0f} pairs a second with {workers} workers")

    def nccl(self) -> None:
        """Measure an all-reduce of all gradients in a group of one process."""
        if DEVICE.type != "cuda":
            self.record("nccl", {"left out": "there is no GPU"})
            return
        count = 28_273_544  # parameters of two ResNet-9 generators and two PatchGAN discriminators of width 64
        gradients = torch.zeros(count, device=DEVICE)
        device = torch.device("cuda", torch.cuda.current_device())
        store = torch.distributed.TCPStore("127.0.0.1", 0, 1, is_master=True)
        torch.distributed.init_process_group("nccl", store=store, rank=0, world_size=1, device_id=device)
        try:
            seconds = _seconds(lambda: torch.distributed.all_reduce(gradients))
        finally:
            torch.distributed.destroy_process_group()
        self.record("nccl", {"bytes": 4 * count, "seconds": seconds, "processes": 1})
        self.say(f"all-reduce in a group of one: {seconds * 1e3:.2f} ms")

    def training(self) -> None:
        """Spend the remaining time on one training run; keep its last sheet."""
        left = self.end - time.monotonic() - 8
        folder = self.options.output.with_suffix(".run")
        shutil.rmtree(folder, ignore_errors=True)
        if self.options.data is None:
            spec = ROOT / "examples" / "seasons.toml"
            settings = ["train.steps=100000", "samples.every=500"]
        else:
            spec = ROOT / "examples" / "horse2zebra.toml"
            folders = {"a": "trainA", "b": "trainB", "test_a": "testA", "test_b": "testB"}
            settings = [f"data.{key}={self.options.data / folder}" for key, folder in folders.items()]
            settings += ["train.precision=auto", "samples.every=500"]
        if self.options.dry_run:
            settings += ["data.size=32", "train.steps=2", "generator.width=4", "evaluation.count=2"]
            settings += [] if self.options.data else ["data.train=4", "data.test=2"]
        run = _start_run(spec, folder, settings)
        try:
            run.wait(timeout=120 if self.options.dry_run else max(5.0, left))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGTERM)
            run.wait(timeout=30)
        status = _read_status(folder)
        if not status:
            raise RuntimeError((folder.with_name(folder.name + ".log")).read_text()[-2000:])
        records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        speeds = [record for record in records if "images_per_second" in record]
        sheets = sorted((folder / "samples").glob("*.png"))
        if sheets:
            shutil.copy(sheets[-1], self.options.output.with_suffix(".sheet.png"))
        self.record("training", {"step": status["step"], "state": status["state"], "last": speeds[-1:]})
        self.say(f"trained {status['step']} steps; {speeds[-1] if speeds else ''}")


def _start_run(spec: Path, output: Path, settings: list[str]) -> subprocess.Popen[bytes]:
    overrides = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "cgkit", "run", str(spec), "--output", str(output), *overrides]
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.with_name(output.name + ".log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )


def _read_status(run: Path) -> dict[str, Any]:
    """Return the content of a run's status.json; empty if the run did not get that far."""
    file = run / "status.json"
    status: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return status


def _seconds(action: Callable[[], object], total: float = 0.5) -> float:
    """Return the median duration of an action; several of them are timed together, as the host runs ahead of a GPU."""
    for _ in range(3):
        action()
    wait_for_device()
    start = time.perf_counter()
    action()
    wait_for_device()
    several = max(1, min(50, int(0.1 / max(time.perf_counter() - start, 1e-6))))

    def repeat() -> None:
        for _ in range(several):
            action()

    return timed(repeat, warm_ups=0, seconds=total, at_least=3).median / several


def _reset_memory() -> None:
    if DEVICE.type == "cuda":
        gc.collect()  # trainers contain cycles of references
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _describe(row: dict[str, Any]) -> str:
    what = f"{row['kind']}, {row['precision']}, {row['size']} px, batch {row['batch']}"
    what += "" if row["deterministic"] else ", not deterministic"
    if "failed" in row:
        return f"{what}: {row['failed']}"
    share = f", {row['share of peak']:.0%} of the peak" if row["share of peak"] else ""
    faster = f", {row['faster']:.2f} times plain" if "faster" in row else ""
    memory = f"{row['memory, GB']:.2f} GB, {row['reserved, GB']:.2f} reserved"
    reason = f" ({row['not recorded']})" if row.get("not recorded") else ""
    return f"{what}: {row['seconds'] * 1e3:.2f} ms{faster}, {memory}{share}{reason}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6, help="time for everything")
    parser.add_argument("--test-seconds", type=float, default=100, help="time for the tests")
    parser.add_argument("--step-seconds", type=float, default=90, help="time for the table of steps")
    parser.add_argument("--only", nargs="+", help="parts to run, instead of all")
    parser.add_argument("--data", type=Path, help="folder with trainA, trainB, testA and testB")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes, on any device")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="JSON file to write the results to")
    options = parser.parse_args()
    options.output = options.output.resolve()
    options.data = options.data and options.data.resolve()
    if DEVICE.type != "cuda" and not options.dry_run:
        parser.error("there is no GPU; --dry-run goes through all parts on the CPU")
    Benchmark(options).run()


if __name__ == "__main__":
    main()
