# Two commands matter: `make demo` shows the main job, `make test` runs everything CI runs.
# Both make their own environment in .venv and need nothing but Python 3.11 or later, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two processes; one that is done takes over what another has not begun.
PARALLEL := -n 2 --dist worksteal
# Tests start some hundred processes, each of which would compile the package anew where the machine forbids to keep bytecode.
export PYTHONDONTWRITEBYTECODE :=
# As root, the PostgreSQL of the tests makes a user of its own by `useradd`, which lies where the PATH of cron does not look.
export PATH := $(PATH):/usr/sbin:/sbin
# Percent of lines and branches.
COVERAGE_FLOOR := 95

.PHONY: demo test coverage check bench torture repeat test-lowest test-pages site docs picture dist lock sbom audit test-peers bench-peers clean help

help:
	@echo "make demo     the main job on the embedded emulator"
	@echo "make test     everything CI runs: lint, types, tests"
	@echo "make coverage  the tests with coverage, which has a floor"
	@echo "make check    lint and types only"
	@echo "make bench    speed, as ratios measured in one run"
	@echo "make bench-peers  the same jobs by other libraries"
	@echo "make torture  the long proofs"
	@echo "make repeat   the tests of threads, processes and signals, 200 times each"
	@echo "make test-pages   the report and the emulator's page in headless Chromium"
	@echo "make test-lowest  the tests with the oldest dependencies that are promised to work"
	@echo "make test-peers  other people's clients against the emulator"
	@echo "make site     the docs as a site with search, in build/site"
	@echo "make dist     build the packages, and run the tutorial with the wheel in an empty environment"
	@echo "make lock     write requirements-dev.lock anew"
	@echo "make sbom     what is installed in .venv, as CycloneDX, in build/sbom.json"
	@echo "make audit    known vulnerabilities of the locked versions; needs a network"
	@echo "make picture  draw the picture of the demo in the README anew"
	@echo "make docs     write the generated parts of docs/ anew"

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[all]" --group dev
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/planhat demo

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict planhat_orm tests

# A vulnerability that becomes known elsewhere is shown, and makes no unchanged commit fail: `make audit` does.
test: check
	-@$(BIN)/python -m tests.docs.audit requirements-dev.lock
	$(BIN)/python -m pytest $(PARALLEL) -m "not browser" tests

# The same tests, with the lines and branches that they reach; fails below the floor.
coverage: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report= tests
	$(BIN)/python -m coverage report --fail-under=$(COVERAGE_FLOOR)

# The oldest versions that pyproject.toml promises to work with.
.venv-lowest/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[all]" --group lowest
	@touch .venv-lowest/.installed

test-lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest $(PARALLEL) --ignore tests/typing tests

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks

# Other libraries, in environments of their own: each line of a file is what one call of pip installs. Where that fails, the
# table names the reason.
BENCH_PEERS := cruds dlt orm wire

.venv-bench/%/.tried: tests/benchmarks/peers/%.txt
	$(PYTHON) -m venv --clear $(@D)
	xargs -L 1 $(@D)/bin/python -m pip install --quiet --disable-pip-version-check < $< 2> $(@D)/errors.txt || cat $(@D)/errors.txt
	@touch $@

bench-peers: export BENCH_ONLY := comparison
bench-peers: $(STAMP) $(BENCH_PEERS:%=.venv-bench/%/.tried)
	$(BIN)/python -m tests.benchmarks

torture: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL) --torture tests

# What depends on how threads, processes and signals meet may pass by chance.
repeat: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL) -m doubtful --repeat 200 tests

# CRUDs asks for a certifi of the day it was released, which not every index has: its own needs are put in by hand.
.venv-peers/.installed: Makefile
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps cruds==1.9.1
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
		certifi "urllib3>=2.8,<3" PyYAML jsonschema robocorp-planhat==1.0.0
	@touch .venv-peers/.installed

# Pages in headless Chromium, where Debian's package `chromium` is installed; a word and no failure where it is not.
test-pages: $(STAMP)
	@if command -v chromium >/dev/null; then $(BIN)/python -m pytest -m browser tests; \
	else echo "no chromium here: apt-get install chromium"; fi

test-peers: $(STAMP) .venv-peers/.installed
	PLANHAT_PEERS=$(CURDIR)/.venv-peers/bin/python $(BIN)/python -m pytest tests/other_clients

docs: $(STAMP)
	PLANHAT_WRITE_DOCS=1 $(BIN)/python -m pytest tests/docs/test_generated.py tests/queryset/test_costs.py tests/mirror/test_forty_questions.py tests/writes/test_the_table_of_faults.py tests/hostile/test_every_answer.py

# The picture in the README, from a run of the demo.
picture: $(STAMP)
	$(BIN)/python -m tests.docs.demo_picture

# The docs as a site, in build/site. It needs no network, and any warning ends it.
site: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# What would be published: built, looked at, and used as by somebody who has nothing else of it.
dist: $(STAMP)
	rm -rf dist build/dist
	$(PYTHON) -m venv build/dist
	build/dist/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	build/dist/bin/python -m pip install --quiet --disable-pip-version-check --group dist
	build/dist/bin/python -m build --outdir dist .
	build/dist/bin/python -m twine check --strict dist/*
	$(PYTHON) -m venv --clear build/dist
	build/dist/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[all]"
	build/dist/bin/python tests/docs/try_tutorial.py

# The versions and hashes of the environment, as pip finds them now.
lock: $(STAMP)
	mkdir -p build
	$(BIN)/python -m pip lock --quiet --disable-pip-version-check --group dev ".[all,keyring,dlt]" --output pylock.toml
	mv pylock.toml build/pylock.toml
	$(BIN)/python -m tests.docs.lock build/pylock.toml > requirements-dev.lock

build/audit/.installed: pyproject.toml
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check --group audit
	@touch build/audit/.installed

sbom: $(STAMP) build/audit/.installed
	build/audit/bin/cyclonedx-py environment --no-validate --pyproject pyproject.toml --output-file build/sbom.json $(BIN)/python
	@echo "build/sbom.json"

# The service that knows vulnerabilities is asked for each locked version. Where it is not reached, or does not know a
# package, as a mirror of an index answers that has no such service, this says so and fails: else it had looked at nothing.
audit: build/audit/.installed
	@build/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements-dev.lock \
	|| { echo "A vulnerability is listed above, or the service that knows them was not reached."; exit 1; }

clean:
	rm -rf $(VENV) .venv-peers .venv-bench .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
