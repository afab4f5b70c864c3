# One idea a recipe. `make` lists them.
.DEFAULT_GOAL := help

help:  ## list the recipes
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install:  ## install for development
	pip install -e ".[dev]"

test:  ## run the tests on two cores
	pytest -n 2

lint:  ## style and types
	ruff check . && ruff format --check . && mypy

format:  ## mend the style
	ruff check --fix . ; ruff format .

layers:  ## check that imports point one way
	lint-imports

demo:  ## train on the built-in data
	cgkit run examples/seasons.toml

docs:  ## make the reference pages again, and the documentation's site in docs/_build
	python docs/generate.py && sphinx-build -W -q docs docs/_build

picture:  ## make README's picture again
	cgkit run examples/seasons.toml && python docs/make_picture.py

report-picture:  ## make README's picture of a report again
	cgkit run examples/seasons.toml --set name=summer-to-winter --set train.steps=500 --set samples.every=25 --set evaluation.every=50
	python docs/make_report_picture.py runs/summer-to-winter

.PHONY: help install test lint format layers demo docs picture report-picture
