"""What programs get from `cgkit serve`: runs, translations, and a description of both."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgkit import Translator
from tests.serving.conftest import Answer, Server, Start, png, wait_until


def test_runs_are_listed_with_state_progress_and_scores(server: Server) -> None:
    listed = server.get("/api/runs").json
    assert [run["run"] for run in listed["runs"]] == ["other-tiny", "tiny"]
    run = listed["runs"][1]
    assert (run["state"], run["step"], run["steps"], run["sheet"]) == ("finished", 4, 4, 4)
    assert run["directions"] == {"a2b": "summer to winter", "b2a": "winter to summer"}
    assert not [key for key, value in run.items() if str(server.folder) in str(value)]


def test_a_run_names_the_models_that_can_translate(server: Server) -> None:
    models = server.get("/api/runs/tiny").json["models"]
    assert [(model["at"], model["step"]) for model in models] == [("", 4), ("2", 2)]


@pytest.mark.parametrize(
    ("query", "options"), [("", {}), ("direction=b2a", {"direction": "b2a"}), ("scale=0.5", {"scale": 0.5})]
)
def test_a_translation_is_that_of_the_translator(server: Server, query: str, options: dict[str, object]) -> None:
    image = png(40, 24)
    answer = server.translate(image, query=query)
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/png"
    expected = Translator.load(server.folder / "tiny", **options)(Image.open(io.BytesIO(image)).convert("RGB"))  # type: ignore[arg-type]
    assert np.abs(np.asarray(answer.picture, int) - np.asarray(expected, int)).max() <= 1


def test_a_checkpoint_can_be_chosen(server: Server) -> None:
    answers = {step: server.translate(png(), query=f"at={step}") for step in ("2", "4", "last")}
    assert [answer.headers["x-cgkit-step"] for answer in answers.values()] == ["2", "4", "4"]
    assert answers["2"].body != answers["4"].body
    unknown = server.translate(png(), query="at=3")
    assert unknown.status == 409
    assert unknown.json == {"error": "tiny has no checkpoint of step 3", "hint": "kept steps: 2, 4"}


def test_a_photograph_keeps_its_name_format_and_date(server: Server) -> None:
    encoded, exif = io.BytesIO(), Image.Exif()
    exif[306] = "2024:05:06 07:08:09"
    Image.new("RGB", (32, 32), "green").save(encoded, "JPEG", exif=exif)
    answer = server.translate(encoded.getvalue(), query="name=in%20Z%C3%BCrich.JPG")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''in%20Z%C3%BCrich.jpg"
    assert answer.picture.format == "JPEG"
    assert answer.picture.getexif()[306] == "2024:05:06 07:08:09"


def test_what_a_translation_loses_is_said_to_every_client(server: Server) -> None:
    encoded, exif = io.BytesIO(), Image.Exif()
    exif[306] = "2024:05:06 07:08:09"
    Image.new("RGB", (16, 16)).save(encoded, "JPEG", exif=exif)
    for _ in range(2):
        answer = server.translate(encoded.getvalue(), query="name=x.jpg&format=ppm")
        (remark,) = json.loads(answer.headers["x-cgkit-remarks"])
        assert remark.startswith("x.jpg: a translation to NETPBM loses what its .jpg file says")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("direction=c2d", "direction is a2b or b2a"),
        ("scale=-1", "scale is native, trained or a number from 0.01 to 16"),
        ("scale=nan", "scale is native, trained or a number from 0.01 to 16"),
        ("sclae=2", "there is no option 'sclae'"),
        ("at=first", "at is best, last or the step of a checkpoint"),
        ("format=../x", "format is the suffix of an image file, such as png"),
        ("format=xyz", "the suffix '.xyz' is not supported"),
    ],
)
def test_an_invalid_option_is_refused(server: Server, query: str, error: str) -> None:
    answer = server.translate(png(), query=query)
    assert answer.status == 400
    assert answer.json["error"].startswith(error)


def test_what_is_no_image_is_refused_under_its_own_name(server: Server) -> None:
    answer = server.translate(b"hello", query="name=letter.txt")
    assert answer.status == 422
    assert answer.json["error"].startswith("letter.txt: not an image in a supported format")
    empty = server.translate(b"")
    assert (empty.status, empty.json["error"]) == (400, "there is no image in the body of the request")


def test_an_unknown_run_or_address_is_an_error_in_json(server: Server) -> None:
    assert server.translate(png(), run="none").json == {
        "error": "there is no such run",
        "hint": "GET /api/runs lists all",
    }
    assert server.get("/nothing").json == {"error": "there is no such page"}
    assert server.get("/api/runs/tiny/translate").status == 405


def test_the_description_names_every_path_and_every_answer_fits_it(server: Server) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    description = server.get("/openapi.json").json
    assert set(description["paths"]) == {
        "/api/runs",
        *(f"/api/runs/{{run}}{end}" for end in ("", "/stop", "/continue", "/translate")),
    }
    schemas = description["components"]["schemas"]
    for run in server.get("/api/runs").json["runs"]:
        jsonschema.validate(run, schemas["run"])
    jsonschema.validate(server.get("/api/runs/tiny").json, schemas["run"])
    refused = server.translate(png(), query="at=3")
    jsonschema.validate(refused.json, schemas["error"])
    responses = description["paths"]["/api/runs/{run}/translate"]["post"]["responses"]
    assert str(refused.status) in responses
    options = {each["name"] for each in description["paths"]["/api/runs/{run}/translate"]["post"]["parameters"]}
    hint = server.translate(png(), query="x=1").json["hint"]
    assert set(hint.removeprefix("options: ").split(", ")) == options


def test_runs_that_start_later_appear(start: Start) -> None:
    server = start()
    (server.folder / "tiny").rename(server.folder / "renamed")
    wait_until(lambda: [run["run"] for run in server.get("/api/runs").json["runs"]] == ["renamed"])


def test_values_that_are_not_finite_are_null(server: Server) -> None:
    assert server.get("/api/runs/other-tiny").json["losses"] == {"cycle": None}


def test_a_run_is_continued_and_stopped(start: Start) -> None:
    server = start()
    run = server.folder / "tiny"
    spec = (run / "spec.toml").read_text()
    assert "steps = 4" in spec
    (run / "spec.toml").write_text(spec.replace("steps = 4", "steps = 100000"))
    launch = run / "launch.json"
    launch.write_text(json.dumps({**json.loads(launch.read_text()), "overrides": []}))
    assert server.ask("POST", "/api/runs/tiny/stop").json == {"error": "this run does not train"}
    assert server.ask("POST", "/api/runs/tiny/continue").status == 202

    def state() -> tuple[str, int]:
        values = server.get("/api/runs/tiny").json
        return values["state"], values["step"]

    try:
        wait_until(lambda: state()[0] == "running" and state()[1] > 4)
        assert server.ask("POST", "/api/runs/tiny/continue").json == {"error": "this run already trains"}
        assert server.translate(png()).status == 200  # while it trains
    finally:
        wait_until(lambda: server.ask("POST", "/api/runs/tiny/stop").status == 202)
    wait_until(lambda: state()[0] == "stopped")
    assert not (run / "stop.request").exists()


def test_a_stopped_server_answers_what_it_has_accepted(start: Start) -> None:
    server = start()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.translate(png(600, 600)).status)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(server.kept()) >= 3 or len(answers) == 3)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert answers == [200, 200, 200]


def test_a_second_signal_ends_what_was_accepted_at_once(start: Start) -> None:
    server = start()
    answers: list[Answer] = []
    image = png(4000, 4000)
    threads = [threading.Thread(target=lambda: answers.append(server.translate(image))) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(server.kept()) >= 3)
    server.process.send_signal(signal.SIGINT)
    wait_until(lambda: "stopping after 3 translations" in server.errors())
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [503, 503, 503]
    assert answers[0].json == {"error": "the server was stopped"}
    assert "Traceback" not in server.errors()
    assert server.errors().endswith("stopped\n")


def test_a_browser_gets_a_page_for_an_error_and_a_program_json(server: Server) -> None:
    for path in ("/nothing", "/runs/nothing", "/compare?run=tiny"):
        page = server.get(path, Accept="text/html,*/*")
        assert page.headers["content-type"].startswith("text/html")
        assert b'<a href="/">Runs</a>' in page.body
        answer = server.get(path)
        assert page.status == answer.status >= 400
        assert answer.json["error"].encode()[1:] in page.body
    assert server.get("/api/runs/nothing", Accept="text/html").json["error"]


def test_a_comparison_leads_back_to_its_runs(server: Server) -> None:
    page = server.get("/compare?run=tiny&run=tiny@2&run=other-tiny").body.decode()
    for link in ('<a href="/">', '<a href="/runs/tiny">', '<a href="/runs/other-tiny">'):
        assert page.count(link) == 1


def test_the_page_of_a_run_does_not_contradict_itself(server: Server) -> None:
    page = server.get("/runs/tiny").body.decode()
    assert "<dt>Steps</dt>" not in page
    assert "unless its process was killed" not in page


def test_a_worker_that_dies_is_replaced(start: Start) -> None:
    server = start("--time-limit", "30")
    assert server.translate(png()).status == 200
    for worker in _workers(server):
        os.kill(worker, signal.SIGKILL)
    statuses = [server.translate(png()).status for _ in range(2)]
    assert statuses[-1] == 200


def _workers(server: Server) -> list[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    if not children.exists():
        pytest.skip("this system does not list the children of a process")
    return [int(text) for text in children.read_text().split()]
