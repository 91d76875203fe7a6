# `make` lists the targets. Settings: PYTHON (3.11 or newer), VENV, ARGS (for pytest, the demo, the benchmarks).

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DRIVERS := drivers/ironic drivers/libvirt drivers/vmware
BRIDGE := bridges/nova
APART := conformance $(DRIVERS) $(BRIDGE)
CONFORMANCE := conformance/tests/drivers/test_fake.py $(DRIVERS:=/tests/conformance)
WHEELS := build/wheels

# The bridge is installed where Nova is, in a venv of its own, and nowhere else.
NOVA := build/nova/venv
NOVA_PIP := $(NOVA)/bin/python -m pip --disable-pip-version-check --quiet
BESIDE_NOVA := . conformance drivers/ironic drivers/libvirt $(BRIDGE)
WHEELS_BESIDE_NOVA := $(foreach name,api conformance ironic libvirt bridge,$(WHEELS)/nova_virt_$(name)-*.whl)
WITHOUT_BRIDGE := . $(filter-out $(BRIDGE),$(APART))
WHEELS_WITHOUT_BRIDGE := $$(ls $(WHEELS)/*.whl | grep --invert-match /nova_virt_bridge-)

# Everything that goes into the wheels; directories too, so that a removed file is noticed.
SOURCES := $(shell find nova_virt_api $(APART) -name __pycache__ -prune -o -name tests -prune -o -name build -prune \
	-o -name '*.egg-info' -prune -o $(foreach folder,$(APART),! -path '$(folder)') -print) setup.cfg pyproject.toml README.md LICENSE

# What lint, docs and benchmarks run against: editable packages after `make dev`, built wheels otherwise.
INSTALLED := $(or $(wildcard $(VENV)/.editable),$(VENV)/.wheels)
NOVA_INSTALLED := $(NOVA)/$(notdir $(INSTALLED))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo demo-ironic test coverage reports lint fix bench docs dev wheels guest-image backend ironic vcsim nova system clean

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.wheels backend guest-image  ## Boot a guest on this machine, watch it, delete it.
	$(BIN)/python tools/demo.py $(ARGS)

demo-ironic: $(VENV)/.wheels backend ironic guest-image  ## Deploy a machine with a real Ironic, watch it, give it back.
	$(BIN)/python -m tools.demo_ironic $(ARGS)

test: $(VENV)/.wheels $(NOVA)/.wheels backend ironic vcsim guest-image  ## Run every test against the built wheels and real backends.
	rm -rf build/reports
ifneq ($(ARGS),)
	$(BIN)/pytest --conformance-reports=build/reports $(ARGS)
else
	$(BIN)/python tools/run_tests.py
	$(BIN)/python tools/check_reports.py doc/matrix/reports build/reports
endif

coverage: $(VENV)/.wheels backend ironic vcsim guest-image  ## Measure what the tests reach, or some of them (ARGS); takes thrice the time.
	$(BIN)/pytest --cov --cov-report=term $(ARGS)

reports: $(INSTALLED) backend ironic vcsim guest-image  ## Run the kit on every driver and renew the reports of the support matrix.
	$(BIN)/pytest $(CONFORMANCE) --conformance-reports=doc/matrix/reports $(ARGS)

lint: $(INSTALLED) $(VENV)/.lint  ## Check style, types, the architecture's arrows, the drivers' descriptions.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy nova_virt_api $(wildcard tests tools benchmarks)
	for root in $(APART); do \
		(cd $$root && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml .) || exit; \
	done
	PYTHONPATH=.:$(subst $() ,:,$(APART)) $(BIN)/lint-imports --no-logo
	$(BIN)/check-jsonschema --schemafile drivers/driver.schema.json $(addsuffix /driver.yaml,$(DRIVERS))

fix: $(VENV)/.lint  ## Format the code and mend what can be mended.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED) $(VENV)/.bench backend vcsim  ## Measure, and print the figures as ratios.
	$(BIN)/python benchmarks/run.py $(ARGS)

docs: $(INSTALLED) $(VENV)/.docs  ## Build the documentation into build/doc.
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet doc build/doc

dev: $(VENV)/.editable $(VENV)/.lint  ## Install editable packages, for a quick loop.

wheels: $(WHEELS)/.built  ## Build the wheels into build/wheels.

guest-image: system  ## Make the small guest image that tests and demo boot (once), and print its path.
	PYTHONPATH=conformance $(PYTHON) -m nova_virt_conformance.guest_image

backend: system  ## Start libvirtd, its network and its storage pool, unless they run.
	tools/backend_libvirt

ironic: system build/ironic/.installed  ## Install an Ironic into build/ironic, which tests start for themselves.

nova: system $(NOVA_INSTALLED)  ## Install a Nova into build/nova, with the bridge and what it needs.

vcsim: system build/vcsim/vcsim  ## Build the vCenter simulator into build/vcsim, which tests start for themselves.

system:  ## Install the missing packages of bindep.txt.
	@tools/install_system_packages

clean:  ## Remove everything that was made here.
	rm -rf build .venv .tox .coverage .hypothesis .*_cache *.egg-info $(APART:=/build) $(APART:=/*.egg-info) tools/ironic/plugins/*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python: | system
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(WHEELS)/.built: $(SOURCES) | $(BIN)/python
	rm -rf $(WHEELS) build/lib build/bdist.* $(APART:=/build)
	$(PIP) wheel --no-deps --wheel-dir $(WHEELS) . $(addprefix ./,$(APART))
	@touch $@

$(VENV)/.wheels: $(WHEELS)/.built requirements/test.txt
	$(PIP) install --requirement requirements/test.txt $(WHEELS_WITHOUT_BRIDGE)
	$(PIP) install --force-reinstall --no-deps $(WHEELS_WITHOUT_BRIDGE)
	@rm -f $(VENV)/.editable
	@touch $@

$(VENV)/.editable: $(WITHOUT_BRIDGE:=/setup.cfg) requirements/test.txt | $(BIN)/python
	$(PIP) install --requirement requirements/test.txt $(addprefix --editable ./,$(WITHOUT_BRIDGE))
	@rm -f $(VENV)/.wheels
	@touch $@

$(VENV)/.lint $(VENV)/.docs $(VENV)/.bench: $(VENV)/.%: requirements/%.txt | $(BIN)/python
	$(PIP) install --requirement $<
	@touch $@

build/ironic/.installed: requirements/ironic.txt tools/ironic/plugins/pyproject.toml | $(BIN)/python
	$(PYTHON) -m venv build/ironic/venv
	build/ironic/venv/bin/python -m pip --disable-pip-version-check --quiet install --requirement $<
	@touch $@

build/vcsim/vcsim: $(wildcard tools/vcsim/*.go) | system
	cd tools/vcsim && GO111MODULE=off GOPATH=/usr/share/gocode go build -o $(abspath $@) .

$(NOVA)/bin/python: | $(BIN)/python
	$(PYTHON) -m venv $(NOVA)

$(NOVA)/.wheels: $(WHEELS)/.built requirements/nova.txt | $(NOVA)/bin/python
	$(NOVA_PIP) install --requirement requirements/nova.txt $(WHEELS_BESIDE_NOVA)
	$(NOVA_PIP) install --force-reinstall --no-deps $(WHEELS_BESIDE_NOVA)
	@rm -f $(NOVA)/.editable
	@touch $@

$(NOVA)/.editable: $(BESIDE_NOVA:=/setup.cfg) requirements/nova.txt | $(NOVA)/bin/python
	$(NOVA_PIP) install --requirement requirements/nova.txt $(addprefix --editable ./,$(BESIDE_NOVA))
	@rm -f $(NOVA)/.wheels
	@touch $@
