# Everything starts from a bare clone: each target installs what it needs into .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: setup demo test check bench pictures docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@touch $@

demo: setup            ## the main job, end to end, on an embedded genome
	$(BIN)/strandwise demo --out demo --overwrite

test: check            ## what CI runs

check: setup           ## format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2

bench: setup           ## the speed suite; prints figures, judges nothing
	$(BIN)/python -m benchmarks

pictures: setup       ## draw the pictures of docs/strand.md anew
	$(BIN)/python docs/strand_pictures.py

docs: setup            ## write the config reference anew; run the examples in README and docs
	$(BIN)/python -m strandwise.experiment.reference > docs/config.md
	$(BIN)/pytest -q README.md docs tests/test_docs.py

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
