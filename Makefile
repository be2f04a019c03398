# Every target makes .venv from the lock file when it needs one.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
PYINFRA := .venv/bin/pyinfra inventory.py
VENV := .venv/installed
BENCH_VENV := .venv-bench/installed
# Were it set, pyinfra would leave out the detection of changes, which is what a plan consists of.
unexport PYINFRA_YES
# edeliver's names for stage and prod, unless the inventory has environments of these names itself.
translated = $(if $(wildcard group_data/$(1).py),$(1),$(patsubst staging,stage,$(patsubst production,prod,$(1))))
override ENV := $(foreach environment,$(ENV),$(call translated,$(environment)))
LIMIT = $(foreach environment,$(ENV),--limit $(environment))

.PHONY: help
help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Deploying -------------------------------------------------------------------------------------------------------

.PHONY: check
check: $(VENV) ## Check inventory, group data and vaults, always all of them; no host is needed
	$(PYTHON) -m commands.check

.PHONY: plan
plan: $(VENV) ## Show what apply would change: ENV=stage, or everything
	$(call show_plan,deploy.py)

.PHONY: apply
apply: $(VENV) ## The plan, a question, and then do it: ENV=stage, or everything; YES=1 answers the question
	$(call show_plan,deploy.py)
	$(call after_question,deploy.py,Apply this to $(or $(ENV),every environment)?,$(HALF_APPLIED))

HALF_APPLIED := Interrupted while applying: the hosts may be half prepared. Run make apply again to finish.

define show_plan
	$(call on_interrupt,Interrupted while planning: nothing was changed.)
	# 3: there is nothing to do.
	$(PYINFRA) $(1) $(LIMIT) --dry --diff --json | $(PYTHON) -m commands.plan_summary || {
	    [ "$${PIPESTATUS[*]}" != "0 3" ] || exit 0
	    exit 1
	}
endef

# $(1): entry point, $(2): question, $(3): what an interruption leaves.
define after_question
	$(call on_interrupt,Interrupted before the answer: nothing was changed.)
	$(call ask,$(2))
	$(call carry_out,$(1),$(3))
endef

define carry_out
	$(call on_interrupt,$(2))
	# Ctrl-C reaches this shell too, and its trap speaks. Here a signal that reached pyinfra alone is told from a failure;
	# until pyinfra has read the inventory it takes one for its end, with this line on standard output and exit code 0.
	$(PYINFRA) $(1) $(LIMIT) --yes | { ! grep -q "Exiting upon user request" || exit 130; } || {
	    [ $$? -lt 128 ] || echo "$(2)" >&2
	    exit 1
	}
endef

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
	$(PYTHON) -m commands.drift $(ENV)

.PHONY: status
status: $(VENV) ## A table of how every environment is doing: ENV=stage, or everything
	$(PYTHON) -m commands.status $(ENV)

.PHONY: doctor
doctor: $(VENV) ## What is wrong with what runs, why it matters, and what mends it: ENV=stage, or everything
	$(PYTHON) -m commands.doctor $(ENV)

# --- Releasing ---------------------------------------------------------------------------------------------------------

# Read by the entry points: see their first lines.
export VERSION TARBALL MIGRATE_DOWN REF UNCOMMITTED REBUILD FETCH

HALF_RELEASED := Interrupted: what has begun on the host ends there on its own, or goes back. See make releases.

.PHONY: build
build: $(VENV) ## Build REF=… (main) into the environment's store, and with FETCH=1 bring it to .releases/ here: ENV=stage
	export BUILD=$(call required,ENV)
	host=$$($(PYTHON) -m commands.build_host $$BUILD)
	$(call on_interrupt,$(HALF_BUILT))
	$(PYINFRA) deploys/build.py --limit "$$host" --yes

HALF_BUILT := Interrupted: what was built before is as it was. A build that had begun ends on its own.

.PHONY: update
update: build ## Build, and release what was built: ENV=stage
	$(MAKE) --no-print-directory release ENV=$(ENV)

.PHONY: release
release: $(VENV) ## Release the newest build, or VERSION=…, or TARBALL=…: ENV=stage
	$(call show_plan,deploys/release.py)
	$(call after_question,deploys/release.py,Release this to $(call required,ENV)?,$(HALF_RELEASED))

.PHONY: rollback
rollback: $(VENV) ## Go back to the good release before, or to VERSION=…; MIGRATE_DOWN=… takes migrations back first: ENV=stage
	$(call show_plan,deploys/rollback.py)
	$(call after_question,deploys/rollback.py,Go back in $(call required,ENV)?,$(HALF_RELEASED))

.PHONY: migrate
migrate: $(VENV) ## Migrate the database with the running release, after a backup: ENV=stage
	$(call show_plan,deploys/migrate.py)
	$(call after_question,deploys/migrate.py,Migrate $(call required,ENV)?,$(HALF_RELEASED))

.PHONY: migrate-down
migrate-down: $(VENV) ## Take migrations back, down to VERSION=… and that one too, after a backup: ENV=stage
	export MIGRATE_DOWN='$(or $(VERSION),$(error Say which migration: make $@ ENV=stage VERSION=20260201000000))'
	$(call show_plan,deploys/migrate.py)
	$(call after_question,deploys/migrate.py,Take migrations of $(call required,ENV) back?,$(HALF_RELEASED))

.PHONY: restart
restart: $(VENV) ## Restart the application, and see that it is well: ENV=stage
	: $(call required,ENV)
	$(call carry_out,deploys/restart.py,$(HALF_RELEASED))

.PHONY: releases
releases: $(VENV) ## List the releases and how they came there: ENV=stage, or everything
	$(PYTHON) -m commands.releases $(ENV)

.PHONY: ping
ping: $(VENV) ## Whether the node answers: ENV=stage, or everything
	$(PYTHON) -m commands.remote ping $(ENV)

.PHONY: console
console: $(VENV) ## A shell in the running node: ENV=stage
	$(PYTHON) -m commands.remote console $(call required,ENV)

.PHONY: rpc
rpc: $(VENV) ## Run EXPR='…' in the running node: ENV=stage
	$(if $(value EXPR),,$(error Say what to run: make $@ ENV=stage EXPR='IO.puts(node())'))
	$(PYTHON) -m commands.remote rpc $(call required,ENV) '$(subst ','\'',$(value EXPR))'

.PHONY: logs
logs: $(VENV) ## Follow the journal, from its last 100 lines on, or all of it from SINCE=-1h on: ENV=stage
	$(PYTHON) -m commands.remote logs $(call required,ENV) $(if $(SINCE),--since="$(SINCE)")

.PHONY: unlock
unlock: $(VENV) ## Say who holds the lock of the machine, and after a question break it: ENV=stage
	$(PYTHON) -m commands.unlock --show $(call required,ENV) || {
	    [ $$? = 2 ] || exit 1
	    $(call ask,Break it? What is at work there goes back.)
	    $(PYTHON) -m commands.unlock $(ENV)
	}

# --- The application's side --------------------------------------------------------------------------------------------

.PHONY: app-check
app-check: $(VENV) ## Whether an application's checkout agrees with the data: APP=../billing ENV=stage, or every environment
	$(PYTHON) -m commands.app_check --app "$(call required_app)" $(ENV)

.PHONY: app-plan
app-plan: $(VENV) ## Show what would bring the checkout in step: APP=../billing ENV=stage, or every environment
	$(call in_checkout)
	$(call show_plan,deploys/checkout.py)

.PHONY: app-apply
app-apply: $(VENV) ## The plan, a question, and then do it: APP=../billing ENV=stage, or every environment
	$(call in_checkout)
	$(call show_plan,deploys/checkout.py)
	$(call after_question,deploys/checkout.py,Write this to $(APP)?,Interrupted: run make app-apply again to finish.)

app-plan app-apply: PYINFRA := .venv/bin/pyinfra @local
app-plan app-apply: LIMIT :=

define in_checkout
	export APP="$(call required_app)" ENV="$(ENV)"
endef

required_app = $(or $(APP),$(error Say where the application is: make $@ APP=../billing))

# --- Secrets ---------------------------------------------------------------------------------------------------------

.PHONY: vault-init
vault-init: $(VENV) ## Make strong secrets for those that are missing: ENV=stage
	$(PYTHON) -m commands.vault init $(call required,ENV)

.PHONY: vault-edit
vault-edit: $(VENV) ## Edit the secrets in your editor: ENV=stage
	$(PYTHON) -m commands.vault edit $(call required,ENV)

.PHONY: vault-recipients
vault-recipients: $(VENV) ## Encrypt all vaults for the people now in vault/recipients.txt
	$(PYTHON) -m commands.vault recipients

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

.PHONY: bench
bench: $(VENV) $(BENCH_VENV) sandbox-packages ## Measure deploys beside Ansible's, into bench/results.md; SECTIONS="cases first scale upload"
	export PATH="$$PWD/.venv-bench/bin:$$PATH"
	# What is compared must do the same.
	$(PYTHON) -m bench.same_host
	$(PYTHON) -m bench $(SECTIONS)

.PHONY: bench-restart
bench-restart: $(VENV) sandbox-packages ## Measure how long a restart leaves a site without an answer
	$(PYTHON) -m bench.restart

.PHONY: differential
differential: $(VENV) sandbox-packages ## Compare the two connectors on 200 deploys, or N=…; Ctrl-C ends it
	$(PYTHON) -m tests.host.differential $(N)

.PHONY: lint
lint: $(VENV) ## Formatting, lint and types alone, of Python and shell
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	command -v shellcheck >/dev/null || { $(call install,shellcheck); }
	shellcheck --external-sources --source-path=SCRIPTDIR bench/*.sh connectors/*.sh operations/programs/*.sh tests/sandbox/*.sh

.PHONY: format
format: $(VENV) ## Format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

.PHONY: docs
docs: $(VENV) ## Write docs/group-data.md from the models
	$(PYTHON) -m commands.reference

.PHONY: lock
lock: $(VENV) ## Resolve the dependencies of pyproject.toml anew
	tmp=$$(mktemp -d)
	trap 'rm -rf "$$tmp"' EXIT
	python3 -m venv "$$tmp"
	"$$tmp/bin/pip" install -qq uv
	$(call resolve,test,requirements.lock)
	$(call resolve,bench,bench/requirements.lock)

define resolve
	"$$tmp/bin/uv" pip compile pyproject.toml --extra $(1) --universal --generate-hashes --no-emit-index-url --no-header \
	    --upgrade --quiet --output-file $(2)
endef

# The stamp is written last: an interrupted installation is done again.
$(VENV): requirements.lock
	python3 -c 'import ensurepip, venv' 2>/dev/null || { $(call install,python3-venv); }
	echo "Making .venv from requirements.lock" >&2
	python3 -m venv .venv
	.venv/bin/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	# pyinfra finds connectors/ by its entry point. Nothing is fetched: what builds it is in the lock file.
	.venv/bin/pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	touch $@

$(BENCH_VENV): bench/requirements.lock
	echo "Making .venv-bench from bench/requirements.lock" >&2
	python3 -m venv .venv-bench
	.venv-bench/bin/pip install -qq --disable-pip-version-check --require-hashes -r bench/requirements.lock
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
