"""The example notebook, run by Jupyter's own client in a kernel."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[nbformat.NotebookNode]:
    """The code cells of the notebook after it was run, with a smaller network and two steps."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    for key, value, smaller in (("steps", 200, 2), ("width", 24, 2), ("blocks", 4, 1)):
        assert f'"{key}": {value}' in first.source
        first.source = first.source.replace(f'"{key}": {value}', f'"{key}": {smaller}')
    folder = tmp_path_factory.mktemp("notebook")
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_run_is_shown_below_its_cell(cells: list[nbformat.NotebookNode]) -> None:
    shown = cells[1].outputs[0].data["text/html"]
    for part in ("notebook, in runs/notebook", '<progress value="2" max="2">', "600 images", 'alt="samples of step 2"'):
        assert part in shown


def test_the_outcome_shows_scores_and_samples(cells: list[nbformat.NotebookNode]) -> None:
    outcome = cells[1].outputs[-1].data["text/html"]
    for part in ("finished at step 2", "<td>psnr summer to winter</td>", 'alt="samples of step 2"'):
        assert part in outcome


def test_the_model_translates(cells: list[nbformat.NotebookNode]) -> None:
    shown = cells[-2].outputs[-1].data["text/plain"]
    assert shown.startswith("Translator(notebook, a2b, step 2, 3 to 3 channels, ")
    assert cells[-1].outputs[-1].data["text/plain"] == "(64, 64, 3)"
