# Each target sets up what it needs: on a fresh machine `make demo` is the only command to type.
.DEFAULT_GOAL := help
.PHONY: help setup system demo test lint train-tiny

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
RUN := $(VENV)/bin/python

# What was installed is named by what was asked for, so that a touched file installs nothing again.
ASKED := $(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-')
READY := $(VENV)/ready-$(ASKED)

help:
	@echo "make setup       a virtual environment in .venv with everything the others need"
	@echo "make demo        find things in two pictures, into demo_out/"
	@echo "make test        the tests, WORKERS=2 files at a time"
	@echo "make lint        ruff and mypy"
	@echo "make train-tiny  train the small CLIP on rendered stickers"

setup: system $(READY)

# OpenCV loads libGL and glib, the stickers are drawn with a font: these come from the system.
system:
	@sh tools/system_packages.sh $(PYTHON)

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ovdet needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): a few minutes, most of it download"
	@test -t 1 || quiet=--quiet; \
		$(RUN) -m pip install $$quiet --disable-pip-version-check -c constraints.txt -e ".[demo,dev,app,export,finetune,ray,serve,shell,track]"
	@rm -f $(VENV)/ready-* && touch $@

demo: setup
	$(RUN) tools/demo.py

test: setup
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(RUN) -m pytest -n $(WORKERS) --dist loadfile

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

train-tiny: setup
	$(RUN) tools/train.py configs/methods/clip/clip_tiny_stickers.py --resume
