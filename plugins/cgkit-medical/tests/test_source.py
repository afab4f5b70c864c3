"""What the source "volumes" shows in training, and which folders it refuses."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cgkit_medical import decoded
from cgkit_medical.source import Volumes
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cgkit.contracts import Domain
from cgkit.errors import DataError

Write = Callable[..., Path]
Phantom = Callable[..., NDArray[np.int16]]


def images(domain: Domain) -> list[NDArray[Any]]:
    return [np.load(io.BytesIO(domain[index].encoded())) for index in range(len(domain))]  # type: ignore[misc]


def patients(domain: Domain) -> set[str]:
    return {domain[index].name.rpartition("/")[0] for index in range(len(domain))}


def source(folder: Path, **options: Any) -> Volumes:
    return Volumes((16, 16), a=folder / "mr", b=folder / "ct", **{"held_out": 0.3, **options})


def test_patients_are_held_out_with_all_their_slices(folder: Path) -> None:
    volumes = source(folder)
    for train, test in zip(volumes.train(), volumes.test(), strict=True):
        assert (len(patients(train)), len(patients(test))) == (2, 1)
        assert not patients(train) & patients(test)


@given(share=st.floats(0.05, 0.95), in_both=st.integers(0, 6), only_a=st.integers(0, 6), only_b=st.integers(0, 6))
def test_a_patient_of_both_domains_is_never_trained_on_and_tested_on(
    share: float, in_both: int, only_a: int, only_b: int
) -> None:
    from cgkit_medical.finding import Found
    from cgkit_medical.splitting import hold_out

    def found(names: list[str]) -> list[Found]:
        return [Found(Path(name), name, name, True, (1, 1, 1), np.eye(4), "uint8", 1) for name in names]

    both = [f"both-{number}" for number in range(in_both)]
    a, b = (found([*both, *(f"{side}-{n}" for n in range(own))]) for side, own in (("a", only_a), ("b", only_b)))
    if min(len(a), len(b)) < 2:
        return
    splits = hold_out(a, b, share, (Path("a"), Path("b")))
    trained, tested = ({volume.patient for split in splits for volume in split[part]} for part in (0, 1))
    assert not trained & tested
    for split, volumes in zip(splits, (a, b), strict=True):
        assert len(split[0]) + len(split[1]) == len(volumes)
        assert split[0]
        assert split[1]


def test_one_patient_cannot_be_split(folder: Path) -> None:
    for number in (1, 2):
        (folder / f"ct/c{number}.nii.gz").unlink()
    with pytest.raises(DataError, match="has only one patient, c0") as error:
        source(folder)
    assert "held_out = 0" in (error.value.hint or "")
    assert patients(source(folder, held_out=0).test()[1]) == {"c0"}


def test_slices_have_their_neighbours_as_channels(folder: Path) -> None:
    alone, together = (images(source(folder, neighbours=count, empty=0, held_out=0).train()[0]) for count in (0, 1))
    assert (alone[3].shape, together[3].shape) == ((20, 22, 1), (20, 22, 3))
    assert np.array_equal(together[3], np.concatenate(alone[2:5], axis=-1))
    assert np.array_equal(together[0], np.concatenate([alone[0], alone[0], alone[1]], axis=-1))


def test_empty_slices_are_left_out_by_the_rule(folder: Path, nifti: Write) -> None:
    values = np.zeros((20, 20, 6), np.int16)
    values[5:15, 5:15, 2:4] = 100
    values[0, 0, 5] = 100  # a quarter of a per cent
    nifti("mr/m0.nii.gz", values)
    shown = [domain[index].name for domain in source(folder, held_out=0).train()[:1] for index in range(len(domain))]
    assert [name for name in shown if "m0" in name] == ["m0/axial-0002.npy", "m0/axial-0003.npy"]
    assert len(source(folder, held_out=0, empty=0).train()[0]) == 6 + 8 + 8


def test_padding_is_darker_than_everything(folder: Path) -> None:
    slices = images(source(folder, held_out=0, empty=0).train()[1])
    assert min(one.min() for one in slices) == np.iinfo(np.int16).min
    assert all((one != -3024).all() for one in slices)
    kept = images(source(folder, held_out=0, empty=0, padding=()).train()[1])
    assert min(one.min() for one in kept) == -3024


def test_series_are_volumes_of_the_patient_in_their_tags(folder: Path, series: Write, phantom: Phantom) -> None:
    for number in range(2):
        values = np.ascontiguousarray(phantom(number, ct=True).transpose(2, 1, 0))
        series(f"scans/{number}/s", values, PatientID=f"p{number}", PixelSpacing=[1.4, 1.5])
    volumes = Volumes((16, 16), a=folder / "mr", b=folder / "scans")
    assert [len(patients(domain)) for domain in (*volumes.train(), *volumes.test())] == [2, 1, 1, 1]
    for number in range(2):
        values = np.ascontiguousarray(phantom(9, ct=True).transpose(2, 1, 0))
        series(f"copy/{number}", values, PatientID=f"p{number}", PixelSpacing=[1.4, 1.5])
    with pytest.raises(DataError, match="volumes of the patient p0 and 1 more are both trained on and tested on"):
        Volumes((16, 16), a=folder / "mr", b=folder / "scans", test_a=folder / "mr", test_b=folder / "copy")


def test_aligned_volumes_are_paired_by_name(folder: Path, nifti: Write, phantom: Phantom) -> None:
    for number in range(2):
        nifti(f"t1/sub-{number}.nii.gz", phantom(number))
        nifti(f"t2/sub-{number}.nii", phantom(number)[..., ::-1])
    options: dict[str, Any] = {"a": folder / "mr", "b": folder / "ct", "test_a": folder / "t1", "test_b": folder / "t2"}
    first, second = Volumes((16, 16), aligned=True, **options).test()
    assert [first[index].name for index in range(len(first))] == [second[index].name for index in range(len(second))]
    nifti("t2/sub-1.nii", phantom(0, shape=(22, 20, 9)))
    with pytest.raises(DataError, match=r"have different voxels: 8 slices of 22x20, .* and 9 slices of 22x20"):
        Volumes((16, 16), aligned=True, **options)
    (folder / "t2/sub-1.nii").unlink()
    with pytest.raises(DataError, match="sub-1 is in only one"):
        Volumes((16, 16), aligned=True, **options)


def test_volumes_of_very_different_spacing_are_refused(folder: Path, nifti: Write, phantom: Phantom) -> None:
    nifti("mr/m0.nii.gz", phantom(0), np.diag([4.0, 1.4, 3.0, 1.0]))
    with pytest.raises(DataError, match=r"columns of axial slices are 1.5 mm apart in .*, but 4 mm in .*m0\.nii\.gz"):
        source(folder)
    assert source(folder, spacing="any")


def test_what_cannot_be_read_is_refused_when_the_source_is_built(folder: Path) -> None:
    (folder / "ct/c1.nii.gz").write_bytes(b"not a volume")
    with pytest.raises(DataError, match=r"c1\.nii\.gz: damaged or truncated"):
        source(folder)
    (folder / "none").mkdir()
    with pytest.raises(DataError, match="contains no volumes"):
        Volumes((16, 16), a=folder / "mr", b=folder / "none")


def test_every_volume_is_decoded_about_once_an_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = decoded.open_volume
    monkeypatch.setattr(decoded, "DECODED", None)  # a process starts without decoded volumes
    monkeypatch.setattr("cgkit_medical.slices.DECODED", decoded.Decoded())
    monkeypatch.setattr(decoded, "open_volume", lambda path: opened.append(path) or original(path))
    domain = pickle.loads(pickle.dumps(source(folder, held_out=0, empty=0, memory=2 * 7_100 / 1e9).train()[0]))
    order = [int(index) for index in domain.order(0, 0)]
    assert sorted(order) == list(range(24))
    for index in order:
        domain[index].encoded()
    assert len(opened) == 3
