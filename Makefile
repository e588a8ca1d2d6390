# One word each. `make demo` and `make test` do all set-up themselves.
VENV ?= .venv
BIN := $(VENV)/bin
LINT_ENV := ANSIBLE_COLLECTIONS_PATH=.collections PATH="$(abspath $(BIN)):$$PATH"

.DEFAULT_GOAL := help
.PHONY: help demo test lint playbooks bench format requirements wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.lab ## rehearse an incident in the lab, TYPE=... for another one: break, diagnose, remediate, verify; JSON
	@$(BIN)/runbook demo $(TYPE) --output json

test: $(VENV)/.dev ## run every test against real services
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(PYTEST_ARGS)

lint: $(VENV)/.dev ## ruff, mypy, yamllint, ansible-lint, antsibull-docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory playbooks
	$(LINT_ENV) $(BIN)/antsibull-docs lint-collection-docs . --plugin-docs --validate-collection-refs self

playbooks: $(VENV)/.dev ## yamllint, ansible-lint and a syntax check of every playbook
	$(BIN)/yamllint --strict .
	$(LINT_ENV) $(BIN)/ansible-lint --offline --strict
	$(LINT_ENV) $(BIN)/ansible-playbook --syntax-check -i inventory/staging playbooks/*.yml

bench: $(VENV)/.lab ## measure what an engineer waits for
	@$(BIN)/python tests/bench/bench.py
	@$(BIN)/python tests/bench/bench_logs.py
	@$(BIN)/python tests/bench/bench_bundle.py
	@$(BIN)/python tests/bench/bench_dump.py
	@$(BIN)/python tests/bench/bench_audit.py

format: $(VENV)/.dev ## format the Python code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements: ## pin every dependency with hashes (needs uv)
	tools/pin.sh

wheel: $(VENV)/.dev ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove what was built here
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .ansible

$(VENV)/.%: requirements/%.txt pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV) $<
	@touch $@
