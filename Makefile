# make demo: set up and run the main job on made-up nights. make test: set up and run every test.

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
# Where pip looks for torch besides its own index. The usual wheels carry GPU code; for a smaller install without:
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
DEMO := demo
# Tests that run side by side, a file each; those over Slurm wait more than they work.
TESTERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test setup lint config benchmarks clean

demo: setup
	$(BIN)/nebulift simulate $(DEMO)/nights
	$(BIN)/snakemake --snakefile Snakefile --directory $(DEMO) --cores $(CORES) --configfile config/demo.yaml
	@echo
	@echo "Open $(DEMO)/results/report.html: what was found in the three nights, and why."
	@echo "Stack $(DEMO)/results/sorted/<night>/clean. Every label with its reasons: $(DEMO)/results/labels.tsv"
	@echo "What really was wrong with the made-up frames: $(DEMO)/nights/truth.tsv"

test: setup
	$(BIN)/python -m pytest workflow_tests --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(READY)

lint: setup
	$(BIN)/ruff check scripts workflow_tests
	$(BIN)/ruff format --check scripts workflow_tests
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

# config/config.yaml and the table in config/README.md, from config/schemas/config.schema.yaml
config: setup
	$(BIN)/python -m nebulift.config

# The tables and plots in workflow_tests/benchmarks; some hours on two cores. Their peers are used where they are installed:
# Debian's source-extractor and siril, and workflow_tests/benchmarks/requirements.txt.
benchmarks: setup
	$(BIN)/python workflow_tests/benchmarks/accuracy
	$(BIN)/python workflow_tests/benchmarks/training
	$(BIN)/python workflow_tests/benchmarks/scaling
	$(BIN)/python workflow_tests/benchmarks/speed
	$(BIN)/python workflow_tests/benchmarks/season --kills 200
	$(BIN)/python workflow_tests/benchmarks/pi

clean:
	rm -rf $(VENV) $(DEMO)
