"""A model that was pushed to a hub translates from there, and what goes wrong is said in a sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cgkit.runs.start import run
from cgkit.translation.translator import Translator
from tests.conftest import TINY, Result
from tests.sharing.hub import OWNER, READER, Hub, serving

huggingface_hub = pytest.importorskip("huggingface_hub")
from huggingface_hub import constants  # noqa: E402

Cli = Callable[..., Result]

pytestmark = [
    pytest.mark.filterwarnings("default::cgkit.errors.CgkitWarning"),
    # The hub's client 2.4 calls its HTTP library in a way that this deprecates.
    pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning"),
]
NAME = "anna/horses"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a moving average, a best model, a licence and sample sheets."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    settings = ["train.ema=0.5", "license=mit", "evaluation.every=2", "evaluation.best=psnr"]
    return run(folder / "spec.toml", overrides=settings, output=folder / "run").folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub, which the client uses with the owner's token and a cache of this test."""
    home = tmp_path / "hf"
    with serving() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", OWNER)
        yield served


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.new("RGB", (24, 20), (200, 60, 20)).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def translation(cgkit: Cli, model: object, image: Path, output: Path) -> bytes:
    result = cgkit("translate", model, image, "--output", output)
    assert result.code == 0, result.err
    return (output / image.name).read_bytes()


def test_a_pushed_model_translates_as_the_run_does(
    cgkit: Cli, hub: Hub, trained: Path, image: Path, tmp_path: Path
) -> None:
    result = cgkit("push", trained, NAME)
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == f"{hub.url}/{NAME}"
    assert [request for request in hub.requests if "/commit/" in request] == [f"POST /api/models/{NAME}/commit/main"]
    own = translation(cgkit, trained, image, tmp_path / "own")
    assert translation(cgkit, f"hf:{NAME}", image, tmp_path / "hub") == own
    assert translation(cgkit, f"hf:{NAME}@main", image, tmp_path / "branch") == own


def test_what_is_uploaded_is_the_model_its_card_and_samples(cgkit: Cli, hub: Hub, trained: Path) -> None:
    assert cgkit("push", f"{trained}@best", NAME).code == 0
    files = hub.repositories[NAME].files("main") or {}
    samples = [f"samples/{way}-{n}-{role}.png" for way in ("a2b", "b2a") for n in (1, 2) for role in SIDES]
    assert {*files} == {".gitattributes", "README.md", "config.json", "model.safetensors", "raw.safetensors", *samples}
    assert files["model.safetensors"] == (trained / "best" / "model.safetensors").read_bytes()
    card = files["README.md"].decode()
    for line in ('library_name: "cgkit"', 'pipeline_tag: "image-to-image"', 'license: "mit"', "## Samples"):
        assert line in card
    assert f"cgkit translate hf:{NAME} IMAGES --output FOLDER --direction a2b" in card
    assert f'Translator.load("hf:{NAME}", direction="a2b")' in card
    assert "| ![](samples/a2b-1-source.png) | ![](samples/a2b-1-translation.png) |" in card
    assert "THIS_FOLDER" not in card
    assert all(str(trained.parent) not in content.decode("latin-1") for content in files.values())


SIDES = ("source", "translation")


def test_a_checkpoint_is_pushed_as_a_model(cgkit: Cli, hub: Hub, trained: Path, image: Path, tmp_path: Path) -> None:
    assert cgkit("push", f"{trained}@2", NAME).code == 0
    own = translation(cgkit, f"{trained}@2", image, tmp_path / "own")
    assert translation(cgkit, f"hf:{NAME}", image, tmp_path / "hub") == own
    config = json.loads((hub.repositories[NAME].files("main") or {})["config.json"])
    assert config["step"] == 2
    assert {*config["files"]} == {"model.safetensors", "raw.safetensors"}


def test_a_dry_run_lists_the_files_and_sends_nothing(cgkit: Cli, hub: Hub, trained: Path) -> None:
    result = cgkit("push", trained, NAME, "--dry-run", "--json")
    assert result.json["url"] is None
    size = (trained / "model" / "model.safetensors").stat().st_size
    assert result.json["files"]["model.safetensors"] == size
    assert hub.requests == []


def test_a_second_push_replaces_the_first_and_removes_what_the_model_no_longer_has(
    cgkit: Cli, hub: Hub, trained: Path, tmp_path: Path
) -> None:
    assert cgkit("push", trained, NAME).code == 0
    hub.repositories[NAME].commits[hub.repositories[NAME].branches["main"]]["notes.txt"] = b"mine"
    (tmp_path / "spec.toml").write_text(TINY)
    other = run(tmp_path / "spec.toml", overrides=["seed=4", "samples.count=1"], output=tmp_path / "other").folder
    result = cgkit("push", other, NAME)
    assert "has no licence" in result.err
    card = other / "model" / "README.md"
    card.write_text(card.read_text().replace("---\n", "---\nlicense: mit\n", 1))
    assert "has no licence" not in cgkit("push", other, NAME, "--dry-run").err
    files = hub.repositories[NAME].files("main") or {}
    assert {name for name in files if not name.startswith("samples")} == {
        *(".gitattributes", "README.md", "config.json", "model.safetensors", "notes.txt")
    }
    assert files["model.safetensors"] == (other / "model" / "model.safetensors").read_bytes()
    assert "samples/a2b-2-source.png" not in files


def test_a_private_model_is_seen_only_with_its_owners_token(
    cgkit: Cli, hub: Hub, trained: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cgkit("push", trained, NAME, "--private").code == 0
    assert hub.repositories[NAME].private
    monkeypatch.setenv("HF_TOKEN", READER)
    result = cgkit("translate", f"hf:{NAME}", image, "--output", tmp_path / "output")
    assert result.code == 2
    assert f"the hub has no model {NAME} that you may see" in result.err
    assert "hf auth login" in result.err
    monkeypatch.setenv("HF_TOKEN", OWNER)
    translation(cgkit, f"hf:{NAME}", image, tmp_path / "output")


def test_nothing_private_is_sent_to_a_public_model(cgkit: Cli, hub: Hub, trained: Path) -> None:
    assert cgkit("push", trained, NAME).code == 0
    before = hub.repositories[NAME].branches["main"]
    result = cgkit("push", trained, NAME, "--private")
    assert result.code == 2
    assert "exists and is public, so nothing was sent" in result.err
    assert hub.repositories[NAME].branches["main"] == before


def test_a_revision_is_a_branch_of_its_own(cgkit: Cli, hub: Hub, trained: Path, image: Path, tmp_path: Path) -> None:
    result = cgkit("push", trained, NAME, "--revision", "v1")
    assert result.out.splitlines()[-1] == f"{hub.url}/{NAME}/tree/v1"
    translation(cgkit, f"hf:{NAME}@v1", image, tmp_path / "output")
    result = cgkit("translate", f"hf:{NAME}@v2", image, "--output", tmp_path / "other")
    assert result.code == 2
    assert f"{NAME} has no revision v2" in result.err


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "you are not logged in to the Hugging Face hub; log in with: hf auth login"),
        ("hf_expired", "the hub does not accept your token"),
        (READER, "your token does not permit this"),
    ],
)
def test_a_token_that_is_missing_or_insufficient_is_named(
    cgkit: Cli, hub: Hub, trained: Path, token: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    result = cgkit("push", trained, NAME)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) <= 3
    assert hub.repositories == {}


@pytest.mark.parametrize("name", ["horses", "anna/horses/zebras", "anna/../horses", "anna/ho rses", "/horses", ""])
def test_a_name_of_another_form_is_refused_before_anything_else(cgkit: Cli, hub: Hub, trained: Path, name: str) -> None:
    result = cgkit("push", trained, name)
    assert result.code == 2
    assert "USER/NAME" in result.err
    assert hub.requests == []


def test_a_broken_upload_leaves_the_hub_as_it_was(cgkit: Cli, hub: Hub, trained: Path) -> None:
    hub.breaks = "POST .*/commit/|POST .*/preupload/"
    result = cgkit("push", trained, NAME)
    assert result.code == 7
    assert f"the connection to the hub failed for {NAME}" in result.err


def test_a_broken_download_is_an_error_and_the_next_one_succeeds(
    cgkit: Cli, hub: Hub, trained: Path, image: Path, tmp_path: Path
) -> None:
    assert cgkit("push", trained, NAME).code == 0
    hub.breaks = "GET .*safetensors"
    result = cgkit("translate", f"hf:{NAME}", image, "--output", tmp_path / "output")
    assert result.code in (5, 7)
    assert NAME in result.err
    assert not (tmp_path / "output").exists()
    hub.breaks = None
    translation(cgkit, f"hf:{NAME}", image, tmp_path / "output")


def test_other_weights_than_the_configuration_describes_are_refused(
    cgkit: Cli, hub: Hub, trained: Path, image: Path, tmp_path: Path
) -> None:
    assert cgkit("push", trained, NAME).code == 0
    hub.changes = lambda content: content[:-1] + bytes([content[-1] ^ 1]) if content[8:9] == b"{" else content
    result = cgkit("translate", f"hf:{NAME}", image, "--output", tmp_path / "output")
    assert result.code == 5
    assert "model.safetensors is damaged or was replaced" in result.err


def test_without_a_network_the_copy_in_the_cache_is_used(
    cgkit: Cli, hub: Hub, trained: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cgkit("push", trained, NAME).code == 0
    own = translation(cgkit, f"hf:{NAME}", image, tmp_path / "first")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert translation(cgkit, f"hf:{NAME}", image, tmp_path / "second") == own
    result = cgkit("translate", "hf:anna/zebras", image, "--output", tmp_path / "third")
    assert result.code == 7
    assert "check your network connection" in result.err
    assert "Traceback" not in result.err


def test_only_the_files_of_a_model_are_downloaded(hub: Hub, cgkit: Cli, trained: Path) -> None:
    assert cgkit("push", trained, NAME).code == 0
    files = hub.repositories[NAME].commits[hub.repositories[NAME].branches["main"]]
    files |= {"weights.pkl": b"x", "evil.py": b"x", "sub/model.safetensors": b"x"}
    Translator.load(f"hf:{NAME}")
    asked = {request.rpartition("/")[2] for request in hub.requests if "/resolve/" in request}
    assert asked == {"README.md", "config.json", "model.safetensors", "raw.safetensors"}
    assert not [request for request in hub.requests if "/sub/" in request]


def test_a_run_starts_from_a_model_of_the_hub(cgkit: Cli, hub: Hub, trained: Path, tmp_path: Path) -> None:
    assert cgkit("push", trained, NAME).code == 0
    (tmp_path / "spec.toml").write_text(f'{TINY}\n[start]\nfrom = "hf:{NAME}"\n')
    folder = run(tmp_path / "spec.toml", overrides=["train.learning_rate=1e-9"], output=tmp_path / "run").folder
    own, started = (load_file(path / "model" / "model.safetensors") for path in (trained, folder))
    assert all(torch.allclose(own[name], started[name], atol=1e-6) for name in own)
    assert f"started from hf:{NAME} (step 4" in (folder / "model" / "README.md").read_text()
    assert json.loads((folder / "start.json").read_text())["sources"][0]["address"] == f"hf:{NAME}"


def test_export_takes_a_model_of_the_hub(cgkit: Cli, hub: Hub, trained: Path, tmp_path: Path) -> None:
    assert cgkit("push", trained, NAME).code == 0
    assert cgkit("export", f"hf:{NAME}", "--format", "published", "--output", tmp_path / "net.pth").code == 0


def test_a_card_that_names_a_folder_of_this_machine_is_not_uploaded(
    cgkit: Cli, hub: Hub, trained: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(trained / "model", tmp_path / "model"))
    with (model / "README.md").open("a") as card:
        card.write(f"\nTrained on `{tmp_path / 'model'}`.\n")
    result = cgkit("push", model, NAME)
    assert result.code == 2
    assert f"README.md names {model}" in result.err.replace("\n", " ")
    assert hub.requests == []


def test_an_authors_own_card_is_kept_and_gets_a_header(cgkit: Cli, hub: Hub, trained: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(trained / "model", tmp_path / "model"))
    (model / "README.md").write_text("# My horses\n\nThey are and/or were zebras.\n")
    assert cgkit("push", model, NAME).code == 0
    card = (hub.repositories[NAME].files("main") or {})["README.md"].decode()
    assert card.startswith("---\nlibrary_name")
    assert "They are and/or were zebras." in card
    assert f"cgkit translate hf:{NAME}" in card


PAGE = """
import cgkit
import torch

class Leaflet:
    '''One page.'''

    suffix = ".html"

    def export(self, network, example, file):
        file.write_text("<p>network</p>")

    def assemble(self, directions, facts, file):
        file.write_text("<p>page</p>")

@cgkit.hookimpl
def cgkit_register(registries):
    registries.exporters.add("leaflet", Leaflet)
"""


def test_a_page_of_a_plugin_is_added(cgkit: Cli, hub: Hub, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "leaflet.py").write_text(PAGE)
    result = cgkit("push", trained, NAME, "--page", "--plugin", tmp_path / "leaflet.py")
    assert result.code == 0, result.err
    files = hub.repositories[NAME].files("main") or {}
    assert files["page.html"].startswith(b"<p>")
    assert "[page.html](page.html?download=true)" in files["README.md"].decode()
    result = cgkit("push", trained, NAME, "--page", "--no-plugins")
    assert result.code == 2
    assert "pip install cgkit-page" in result.err


def test_the_environment_variables_of_the_hub_reach_a_real_process(
    cgkit_process: Callable[..., object], hub: Hub, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    process = cgkit_process("push", trained, NAME)
    out, err = process.communicate(timeout=120)  # type: ignore[attr-defined]
    assert out.splitlines()[-1] == f"{hub.url}/{NAME}", err
    assert "it/s" not in err
    arguments = ("--format", "published", "--output", tmp_path / "net.pth")
    out, err = cgkit_process("export", f"hf:{NAME}", *arguments).communicate(timeout=120)  # type: ignore[attr-defined]
    assert "wrote" in err
    assert "Traceback" not in err
    assert (tmp_path / "net.pth").exists()
    assert os.environ["HF_TOKEN"] not in out + err
