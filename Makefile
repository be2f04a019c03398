# Every target makes .venv from the lock file when it needs one.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
PYINFRA := .venv/bin/pyinfra inventory.py
VENV := .venv/installed
# Were it set, pyinfra would leave out the detection of changes, which is what a plan consists of.
unexport PYINFRA_YES
LIMIT = $(foreach environment,$(ENV),--limit $(environment))

.PHONY: help
help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Deploying -------------------------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV) ## Check inventory, group data and vaults, always all of them; no host is needed
	$(PYTHON) -m tools.check

.PHONY: plan
plan: $(VENV) ## Show what apply would change: ENV=stage, or everything
	$(call on_interrupt,Interrupted while planning: nothing was changed.)
	$(PYINFRA) deploy.py $(LIMIT) --dry --diff --json | $(PYTHON) -m tools.plan_summary

.PHONY: apply
apply: plan ## The plan, a question, and then do it: ENV=stage, or everything; YES=1 answers the question
	$(call on_interrupt,Interrupted before the answer: nothing was changed.)
	$(call ask,Apply this to $(or $(ENV),every environment)?)
	$(call on_interrupt,$(HALF_APPLIED))
	# Ctrl-C reaches this shell too, and its trap speaks. Here a signal that reached pyinfra alone is told from a failure;
	# until pyinfra has read the inventory it takes one for its end, with this line on standard output and exit code 0.
	$(PYINFRA) deploy.py $(LIMIT) --yes | { ! grep -q "Exiting upon user request" || exit 130; } || {
	    [ $$? -lt 128 ] || echo "$(HALF_APPLIED)" >&2
	    exit 1
	}

HALF_APPLIED := Interrupted while applying: the hosts may be half prepared. Run make apply again to finish.

# make says no more than "Interrupt".
define on_interrupt
	trap 'printf "\n%s\n" "$(1)" >&2; exit 130' INT TERM HUP
endef

define ask
	if [ "$(YES)" != 1 ]; then
	    [ -t 0 ] || { echo "There is no terminal to ask on: repeat with YES=1 to go ahead without a question." >&2; exit 1; }
	    read -r -p "$(1) [y/N] " answer || { answer=; echo; }
	    [[ "$$answer" == [yY]* ]] || { echo "Nothing was changed." >&2; exit 1; }
	fi
endef

.PHONY: drift
drift: $(VENV) ## Name what is not as the data says: ENV=stage, or everything
	$(PYTHON) -m tools.drift $(ENV)

.PHONY: status
status: $(VENV) ## A table of how every environment is doing: ENV=stage, or everything
	$(PYTHON) -m tools.status $(ENV)

# --- Secrets ---------------------------------------------------------------------------------------------------------

.PHONY: vault-init
vault-init: $(VENV) ## Make strong secrets for those that are missing: ENV=stage
	$(PYTHON) -m tools.vault init $(call required,ENV)

.PHONY: vault-edit
vault-edit: $(VENV) ## Edit the secrets in your editor: ENV=stage
	$(PYTHON) -m tools.vault edit $(call required,ENV)

.PHONY: vault-recipients
vault-recipients: $(VENV) ## Encrypt all vaults for the people now in vault/recipients.txt
	$(PYTHON) -m tools.vault recipients

required = $(or $($(1)),$(error Say which environment: make $@ $(1)=stage))

# --- A throwaway machine ---------------------------------------------------------------------------------------------

.PHONY: demo
demo: sandbox-up ## Both environments on a throwaway machine, from nothing to what they look like from outside
	$(PYTHON) -m tests.sandbox.demo

.PHONY: sandbox-up
sandbox-up: $(VENV) sandbox-packages ## Boot the throwaway machine inventory.py points at: RELEASE=trixie or bookworm
	$(PYTHON) -m tests.sandbox up $(if $(RELEASE),--release $(RELEASE))

.PHONY: sandbox-down
sandbox-down: $(VENV) ## Remove it
	$(PYTHON) -m tests.sandbox down

.PHONY: sandbox-ssh
sandbox-ssh: $(VENV) ## Log in to it, or run one command there as root: CMD="systemctl --failed"
	$(PYTHON) -m tests.sandbox ssh $(if $(value CMD),'$(subst ','\'',$(value CMD))')

.PHONY: sandbox-packages
sandbox-packages: $(VENV)
	# Elsewhere than as root on Debian, the sandbox itself says what is missing.
	[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
	missing=()
	# On a line of its own: bash passes over the failure of a command within "for".
	packages=$$($(PYTHON) -m tests.sandbox packages)
	for package in $$packages; do
	    dpkg -s "$$package" >/dev/null 2>&1 || missing+=("$$package")
	done
	$(call install,$${missing[@]})

# --- Working on this repository --------------------------------------------------------------------------------------

.PHONY: test
test: lint sandbox-packages ## Lint, types, unit tests and tests on real machines
	$(PYTHON) -m pytest

.PHONY: soak
soak: $(VENV) sandbox-packages ## Try 100,000 inputs nobody drew before, or N=…; Ctrl-C ends it
	$(PYTHON) -m tests.inputs.soak $(N)

.PHONY: lint
lint: $(VENV) ## Formatting, lint and types alone
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

.PHONY: format
format: $(VENV) ## Format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

.PHONY: docs
docs: $(VENV) ## Write docs/group-data.md from the models
	$(PYTHON) -m tools.reference

.PHONY: lock
lock: $(VENV) ## Resolve the dependencies of pyproject.toml anew
	tmp=$$(mktemp -d)
	trap 'rm -rf "$$tmp"' EXIT
	python3 -m venv "$$tmp"
	"$$tmp/bin/pip" install -qq uv
	"$$tmp/bin/uv" pip compile pyproject.toml --extra test --universal --generate-hashes --no-emit-index-url --no-header \
	    --upgrade --quiet --output-file requirements.lock

# The stamp is written last: an interrupted installation is done again.
$(VENV): requirements.lock
	python3 -c 'import ensurepip, venv' 2>/dev/null || { $(call install,python3-venv); }
	echo "Making .venv from requirements.lock" >&2
	python3 -m venv .venv
	.venv/bin/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

define install
	set -- $(1)
	if [ $$# -gt 0 ]; then
	    [ "$$(id -u)" = 0 ] || { echo "Missing packages. Install them: sudo apt-get install $$*" >&2; exit 1; }
	    echo "Installing $$*" >&2
	    apt-get update -qq
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$@" >/dev/null
	fi
endef
