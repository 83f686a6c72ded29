# Two commands on a fresh machine with Python >= 3.10: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
RELEASE := build/release
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint format bench-student bench-training bench-metrics bench-conspicuity bench-index bench-dicom bench-registration bench-end-to-end bench-cohort fuzz evaluate results wheel audit sbom clean

demo: $(VENV)/.demo
	$(BIN)/monai-fusion demo --output demo_output

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-student: $(VENV)/.dev
	$(BIN)/python benchmarks/student.py

bench-training: $(VENV)/.dev
	$(BIN)/python benchmarks/training_step.py

bench-conspicuity: $(VENV)/.dev
	$(BIN)/python benchmarks/conspicuity.py

bench-index: $(VENV)/.dev
	$(BIN)/python benchmarks/dicom_index.py

bench-registration: $(VENV)/.dev
	$(BIN)/python benchmarks/registration.py

bench-end-to-end: $(VENV)/.dev
	$(BIN)/python benchmarks/end_to_end.py

bench-cohort: $(VENV)/.dev
	$(BIN)/python benchmarks/cohort.py

bench-metrics: $(VENV)/.dev
	$(BIN)/python benchmarks/metrics.py

fuzz: $(VENV)/.dev
	$(BIN)/python benchmarks/fuzz.py

# needs dicom3tools and the series in ../shared
bench-dicom: $(VENV)/.dev
	$(BIN)/python benchmarks/dicom_output.py

# needs the test sets in ../shared; results makes docs/results.md of what it stores
evaluate: $(VENV)/.dev
	$(BIN)/python benchmarks/evaluate.py

results: $(VENV)/.dev
	$(BIN)/python benchmarks/results.py

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel

# known vulnerabilities of the versions that are installed with a release; one that cannot be looked up is a failure
audit:
	$(MAKE) VENV=$(RELEASE) $(RELEASE)/.release
	$(RELEASE)/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

# what a release consists of, with licences, as CycloneDX
sbom:
	$(MAKE) VENV=$(RELEASE) $(RELEASE)/.release
	mkdir -p dist
	$(RELEASE)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file dist/sbom.cdx.json $(RELEASE)/bin/python

clean:
	rm -rf $(VENV) build dist demo_output

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch goes first and pinned: asked for by a range, pip would take the newest build there is
$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	$(INSTALL) torch==$$(sed -n 's/^torch==\([^ ;]*\).*/\1/p' constraints.txt)
	touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	$(INSTALL) --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	$(INSTALL) --editable '.[dev]'
	touch $@

$(VENV)/.release: pyproject.toml constraints.txt $(VENV)/.torch
	$(INSTALL) '.[release]'
	touch $@
