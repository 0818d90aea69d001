# The two commands of the README, and what the developers use. Each sets up what it needs.
BENCHRUNNER := .venv/bin/benchrunner
PYTEST := -m pytest

.PHONY: run test gate wheel seed-tables clean

run: ## set up and run the main job on the simulated board
	@tools/setup.sh run
	@$(BENCHRUNNER) run --board stm32h747i-disco --sim

test: ## set up and run every test, with both TFLite runtimes
	@tools/setup.sh test
	BENCHRUNNER_TFLITE_RUNTIME_PYTHON="$(CURDIR)/.venv-tflite-runtime/bin/python" .venv/bin/python $(PYTEST) -n auto
	BENCHRUNNER_RUNTIME=tflite-runtime .venv-tflite-runtime/bin/python $(PYTEST) tests/runtime tests/zoo

gate: ## format, lint, types, layers
	@tools/setup.sh gate
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .ci/gate

wheel: ## build the wheel, install it into an empty environment, run it from another folder
	@tools/setup.sh gate
	@tools/check_wheel.sh

seed-tables: ## run the suite of a published page on simulated boards, and make results/seed_tables.md
	@tools/setup.sh test
	$(BENCHRUNNER) suite suites/seed_tables.toml --out build/seed_tables
	rm -rf results/seed_tables && mkdir -p results/seed_tables
	cp -r build/seed_tables/2*-*-* results/seed_tables/ && rm -rf build/seed_tables
	$(BENCHRUNNER) publish results/seed_tables.md --results results/seed_tables

clean:
	rm -rf .venv .venv-tflite-runtime build dist
