# One idea a recipe. `make` lists them.
.DEFAULT_GOAL := help

space := $(subst ,, )
packages := $(wildcard plugins/*)
packages-mypy = MYPYPATH=$(subst $(space),:,$(packages)) mypy --strict $(addprefix -p ,$(subst -,_,$(notdir $(packages))))

help:  ## list the recipes
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install:  ## install for development
	pip install -e ".[dev]"

fast:  ## run the tests that need no training
	pytest -n 2 -m "not slow and not gpu"

test:  ## run all tests on two cores; `pytest -n 2` leaves out those that take long
	pytest -n 2 --long

list-long:  ## run all tests, and list in tests/long.json those that take more than 1.25 seconds
	pytest -n 2 --list-long

faults:  ## break run folders, checkpoints and the disk in every way that the tests know
	CGKIT_FAULTS=1 pytest -n 2 --timeout 3600 tests/faults

fuzz:  ## read damaged files of every kind, for CGKIT_FUZZ seconds each (60)
	CGKIT_FUZZ=$${CGKIT_FUZZ:-60} pytest -n 2 tests/fuzz

soak:  ## train 100,000 tiny steps, and see whether anything grows
	python benchmarks/soak.py

lock:  ## write down the versions of the environment that the tests run in, after `pip install -e ".[test]"`
	python tests/write_lock.py

audit:  ## look for known vulnerabilities in these versions; needs pip-audit
	pip-audit -r tests/lock.txt --no-deps --disable-pip

release:  ## build the packages, and a bill of materials of the versions they were tested with; needs build and cyclonedx-bom
	python -m build
	cyclonedx-py requirements tests/lock.txt --pyproject pyproject.toml --output-file dist/cgkit.cdx.json

check:  ## check style, types, imports, spelling and counts
	ruff check . && ruff format --check . && mypy && $(packages-mypy) && lint-imports && codespell && python docs/counts.py

counts:  ## count how large the code is, and check the limits
	python docs/counts.py

format:  ## fix the style
	ruff check --fix . ; ruff format .

demo:  ## train on the built-in data
	cgkit run examples/seasons.toml

docs:  ## write the reference pages and build the site in docs/_build
	python docs/generate.py && sphinx-build -W -q docs docs/_build

picture:  ## make README's picture of the landscapes
	cgkit run examples/seasons.toml && python docs/make_picture.py

report-picture:  ## make README's picture of a report
	cgkit run examples/seasons.toml --set name=summer-to-winter --set train.steps=500 --set samples.every=25 --set evaluation.every=50
	python docs/make_report_picture.py runs/summer-to-winter

page-picture:  ## make README's picture of a page from runs/earth and photograph.png; see docs/make_page_picture.py
	cgkit export runs/earth --format page --output earth.html
	python docs/make_page_picture.py earth.html photograph.png

.PHONY: help install fast test list-long faults fuzz soak lock audit release check counts format demo docs picture report-picture page-picture
