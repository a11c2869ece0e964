# demo: the main job on built-in data.  test: all tests.  check: style and tests, as CI does.  bench, peers: measure.
# Each sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/pip --disable-pip-version-check --quiet
STARTED := $(shell date +%s)
took = @echo "$(1) took $$(( $$(date +%s) - $(STARTED) )) s in all"

SHELL := /bin/bash

.PHONY: demo test style check bench peers pictures clean

demo: $(READY)
	@echo "Training on X's and O's, shifted, scaled, turned and thickened: demo/xo"
	$(BIN)/glassnet train xo --out demo/xo --overwrite
	@echo "Training on handwritten digits: demo/digits"
	$(BIN)/glassnet train digits --out demo/digits --overwrite
	@echo "Asking why an X is an X"
	rm -rf demo/pictures
	$(BIN)/glassnet make xo demo/pictures --count 20 --translate 0 --scale 1 --rotate 0 --weight 1
	$(BIN)/glassnet explain demo/xo demo/pictures/X/00.png --out demo/why-x.html
	@echo
	@echo "Open demo/why-x.html, demo/xo/report.html and demo/digits/report.html in a browser."
	$(call took,demo)

test: $(READY)
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal  # most tests keep one core busy, if any
	$(call took,test)

style: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .lint-imports.log || (cat .lint-imports.log; exit 1)
	@tail -n 1 .lint-imports.log >/dev/null && echo "import floors: kept" && rm -f .lint-imports.log

check: style test

bench: $(READY)
	$(BIN)/python -m benchmarks

# Beside other libraries, each in an environment of its own (some GB, made once); CIFAR10 names its unpacked pictures.
peers: $(READY)
	$(BIN)/python -m benchmarks.against $(if $(CIFAR10),--cifar $(CIFAR10))

pictures: $(READY)
	$(BIN)/python -m docs.make_pictures

clean:
	rm -rf $(VENV) demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .glassnet

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q glassnet
	@touch $(READY)
