# Each target makes .venv from the lock file if needed, and calls one command. `deploy --help` lists the commands, too.
# Only variables on the command line count. A shell's own ENV, VERSION or YES has no effect.
.SILENT:
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
VENV := .venv/installed
BENCH_VENV := .venv-bench/installed
PROGRAMS := bench/*.sh commands/*.sh connectors/*.sh operations/programs/*.sh tests/sandbox/*.sh

quoted = '$(subst ','\'',$(1))'
given = $(if $(filter command,$(origin $(1))),$(value $(1)))
option = $(if $(call given,$(1)),--$(2)=$(call quoted,$(call given,$(1))))
flag = $(if $(filter 1,$(call given,$(1))),--$(2))
text = $(if $(call given,$(1)),$(call quoted,$(call given,$(1))))
ENVIRONMENTS = $(foreach name,$(call given,ENV),$(call quoted,$(name)))
ANSWER = $(call flag,YES,yes)
BUILD = $(call option,REF,ref) $(call flag,UNCOMMITTED,uncommitted) $(call flag,REBUILD,rebuild) $(call flag,FETCH,fetch)

.PHONY: help check plan apply drift status doctor build update release rollback migrate migrate-down restart releases ping
.PHONY: console rpc task logs unlock app-check app-plan app-apply vault-init vault-edit vault-recipients demo sandbox-up
.PHONY: sandbox-down sandbox-ssh sandbox-packages test test-all soak bench bench-restart differential lint lint-shell format docs lock

help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Deploying -------------------------------------------------------------------------------------------------------
check: $(VENV) ## Check inventory, group data and vaults, without a host
	$(PYTHON) -m commands.check
plan: $(VENV) ## Show what apply would change: ENV=stage, or all
	$(PYTHON) -m commands.plan $(ENVIRONMENTS)
apply: $(VENV) ## Plan, ask, carry out: ENV=stage, or all; YES=1 answers
	$(PYTHON) -m commands.apply $(ENVIRONMENTS) $(ANSWER)
drift: $(VENV) ## List differences of hosts and data: ENV=stage, or all
	$(PYTHON) -m commands.drift $(ENVIRONMENTS)
status: $(VENV) ## Show every environment's state: ENV=stage, or all
	$(PYTHON) -m commands.status $(ENVIRONMENTS)
doctor: $(VENV) ## Show problems and how to mend them: ENV=stage, or all
	$(PYTHON) -m commands.doctor $(ENVIRONMENTS)

# --- Releasing -------------------------------------------------------------------------------------------------------
build: $(VENV) ## Build REF=… (main) into the store: ENV=stage; FETCH=1
	$(PYTHON) -m commands.build $(ENVIRONMENTS) $(BUILD)
update: $(VENV) ## Build, and release what was built: ENV=stage
	$(PYTHON) -m commands.update $(ENVIRONMENTS) $(BUILD) $(ANSWER)
release: $(VENV) ## Release the newest, VERSION=… or TARBALL=…: ENV=stage
	$(PYTHON) -m commands.release $(ENVIRONMENTS) $(call option,VERSION,version) $(call option,TARBALL,tarball) $(ANSWER)
rollback: $(VENV) ## Go back, to VERSION=…; MIGRATE_DOWN=… first: ENV=stage
	$(PYTHON) -m commands.rollback $(ENVIRONMENTS) $(call option,VERSION,version) $(call option,MIGRATE_DOWN,migrate-down) $(ANSWER)
migrate: $(VENV) ## Back up, and migrate with the running release: ENV=stage
	$(PYTHON) -m commands.migrate $(ENVIRONMENTS) $(ANSWER)
migrate-down: $(VENV) ## Back up, and take back down to VERSION=…: ENV=stage
	$(PYTHON) -m commands.migrate_down $(ENVIRONMENTS) $(call option,VERSION,version) $(ANSWER)
restart: $(VENV) ## Restart, and check the health: ENV=stage
	$(PYTHON) -m commands.restart $(ENVIRONMENTS)
releases: $(VENV) ## List releases and their log: ENV=stage, or all
	$(PYTHON) -m commands.releases $(ENVIRONMENTS)
ping: $(VENV) ## Ask whether the node answers: ENV=stage, or all
	$(PYTHON) -m commands.ping $(ENVIRONMENTS)
console: $(VENV) ## A shell in the running node: ENV=stage
	$(PYTHON) -m commands.console $(ENVIRONMENTS)
rpc: $(VENV) ## Run EXPR='…' in the running node: ENV=stage
	$(PYTHON) -m commands.rpc $(or $(ENVIRONMENTS),'') -- $(call text,EXPR)
# In a variable, because a line break would end the recipe's line.
task: export EXPRESSION = $(call given,EXPR)
task: $(VENV) ## Evaluate EXPR='…' beside the running node: ENV=stage
	$(PYTHON) -m commands.task $(or $(ENVIRONMENTS),'') -- "$$EXPRESSION"
logs: $(VENV) ## Follow the journal, from SINCE=-1h on: ENV=stage
	$(PYTHON) -m commands.logs $(ENVIRONMENTS) $(call option,SINCE,since)
unlock: $(VENV) ## Show the lock's holder, and break it: ENV=stage
	$(PYTHON) -m commands.unlock $(ENVIRONMENTS) $(ANSWER)

# --- The application's side ------------------------------------------------------------------------------------------
app-check: $(VENV) ## Compare a checkout with the data: APP=../billing
	$(PYTHON) -m commands.app_check $(call option,APP,app) $(ENVIRONMENTS)
app-plan: $(VENV) ## Show the changes of app-apply: APP=../billing
	$(PYTHON) -m commands.app_plan $(call option,APP,app) $(ENVIRONMENTS)
app-apply: $(VENV) ## Plan, ask, change a checkout: APP=../billing
	$(PYTHON) -m commands.app_apply $(call option,APP,app) $(ENVIRONMENTS) $(ANSWER)

# --- Secrets ---------------------------------------------------------------------------------------------------------
vault-init: $(VENV) ## Make strong values for missing secrets: ENV=stage
	$(PYTHON) -m commands.vault_init $(ENVIRONMENTS) $(ANSWER)
vault-edit: $(VENV) ## Edit the secrets in your editor: ENV=stage
	$(PYTHON) -m commands.vault_edit $(ENVIRONMENTS) $(ANSWER)
vault-recipients: $(VENV) ## Encrypt all vaults for vault/recipients.txt
	$(PYTHON) -m commands.vault_recipients $(ANSWER)

# --- A throwaway machine ---------------------------------------------------------------------------------------------
demo: sandbox-up ## Show both environments on it
	$(PYTHON) -m tests.sandbox.demo
sandbox-up: $(VENV) sandbox-packages ## Boot it: RELEASE=trixie or bookworm
	$(PYTHON) -m tests.sandbox up $(call option,RELEASE,release)
sandbox-down: $(VENV) ## Remove it
	$(PYTHON) -m tests.sandbox down
sandbox-ssh: $(VENV) ## Log in, or run CMD="systemctl --failed" as root
	$(PYTHON) -m tests.sandbox ssh $(call text,CMD)
sandbox-packages: $(VENV)
	commands/install.sh sandbox $(PYTHON)

# --- Working on this repository --------------------------------------------------------------------------------------
test: lint sandbox-packages ## Lint, types, unit tests and tests on real machines
	$(PYTHON) -m pytest
test-all: lint sandbox-packages ## The same on both Debians, and the differential
	$(PYTHON) -m pytest --everything
soak: $(VENV) sandbox-packages ## Try 100,000 new random inputs, or N=…
	$(PYTHON) -m tests.inputs.soak $(call text,N)
bench: $(VENV) $(BENCH_VENV) sandbox-packages ## Measure beside Ansible: SECTIONS="cases upload"
	export PATH="$$PWD/.venv-bench/bin:$$PATH" && $(PYTHON) -m bench.same_host && $(PYTHON) -m bench $(call given,SECTIONS)
bench-restart: $(VENV) sandbox-packages ## Measure a restart's time without an answer
	$(PYTHON) -m bench.restart
differential: $(VENV) sandbox-packages ## Compare the connectors on 200 deploys, or N=…
	$(PYTHON) -m tests.host.differential $(call text,N)
lint: $(VENV) lint-shell ## Formatting, lint, types, import contracts, shell
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports --no-logo
lint-shell:
	commands/install.sh packages shellcheck && shellcheck --external-sources --source-path=SCRIPTDIR $(PROGRAMS)
format: $(VENV) ## Format the code
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .
docs: $(VENV) ## Write docs/group-data.md from the models
	$(PYTHON) -m commands.docs
lock: ## Resolve the dependencies of pyproject.toml again
	commands/install.sh lock
$(VENV): requirements.lock
	commands/install.sh venv .venv requirements.lock
$(BENCH_VENV): bench/requirements.lock
	commands/install.sh venv .venv-bench bench/requirements.lock
