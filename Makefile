# A fresh machine needs only Python 3.11+, venv, make and git.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench torture months many screenshots goldens lock clean

demo: .venv/ready  ## run the main job against the simulator, no key needed
	@$(BIN)/batchtui demo

test: lint  ## lint, types, import rules, tests
	$(BIN)/python -m pytest -q -n 4 --dist worksteal

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/ready  ## benchmarks, as ratios to the SDK's own way and to curl
	@$(BIN)/python -m tests.bench

torture: .venv/ready  ## 200 kills among a host's lies, 1,000 malformed files of each kind; SEED=7 for others
	@$(BIN)/python -m tests.torture --seed $(or $(SEED),1)

months: .venv/ready  ## thirty days of virtual time: faults, sleeps, clocks set, a revoked key; SEED=7 for others
	@$(BIN)/python -m tests.months --seed $(or $(SEED),1)

many: .venv/ready  ## three monitors, the app and --once on one state while the poller is killed and stopped; SEED=7 for others
	@$(BIN)/python -m tests.many --seed $(or $(SEED),1)

screenshots: .venv/ready  ## the README's pictures, taken from the running demo
	$(BIN)/python screenshots/make.py

goldens: .venv/ready  ## accept the current screens as correct
	$(BIN)/python -m pytest -q tests/flows --snapshot-update

lock: .venv/ready  ## pin every dependency again, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras --group dev \
		--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.txt pyproject.toml

.venv/ready: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "batchtui needs Python 3.11 or later ($(PYTHON) was not found)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "batchtui needs Python 3.11 or later; set PYTHON=..."; exit 1; }
	@echo "Setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info
