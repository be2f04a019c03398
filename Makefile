# Each target makes .venv from the lock file if needed, and calls one command. `deploy --help` lists the commands, too.
# Only variables on the command line count. A shell's own ENV, VERSION or YES has no effect, and MAKEFLAGS may set none.
.SILENT:
.NOTPARALLEL:
PYTHON := .venv/bin/python
export PYTHONUTF8 := 1
VENV := .venv/installed
PROGRAMS = .ci/run $$(find . -path './.*' -prune -o -name '*.sh' -print)
quoted = '$(subst ','\'',$(1))'
given = $(if $(filter command,$(origin $(1))),$(value $(1)))
option = $(if $(call given,$(1)),--$(2)=$(call quoted,$(call given,$(1))))
flag = $(if $(filter 1,$(call given,$(1))),--$(2))
text = $(if $(call given,$(1)),$(call quoted,$(call given,$(1))))
each = $(foreach word,$(call given,$(1)),$(call quoted,$(word)))
ENVIRONMENTS = $(if $(call given,ENV),-- $(call each,ENV))
LOUD = $(call flag,VERBOSE,verbose)
ANSWER = $(call flag,YES,yes) $(LOUD)
READERS = $(call flag,YES,yes) $(call flag,NEW,new-recipients)
BUILD = $(call option,REF,ref) $(call flag,UNCOMMITTED,uncommitted) $(call flag,REBUILD,rebuild) $(call flag,FETCH,fetch)
# Refuses a misspelt or empty variable, and a target that is none, before anything is done.
include $(dir $(lastword $(MAKEFILE_LIST)))commands/command_line.mk
help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
# --- Deploying -------------------------------------------------------------------------------------------------------
check: $(VENV) ## Check inventory, group data and vaults, without a host
plan: $(VENV) ## Show what apply would change: ENV=stage, or all
apply: $(VENV) ## Plan, ask, carry out: ENV=stage, or all; YES=1 answers
	$(PYTHON) -m commands.apply $(ANSWER) $(call flag,FORCE,force) $(ENVIRONMENTS)
destroy: $(VENV) ## Remove an environment, after a backup: ENV=qa
drift: $(VENV) ## List differences of hosts and data: ENV=stage, or all
status: $(VENV) ## Show every environment's state: ENV=stage, or all
doctor: $(VENV) ## Show problems and how to mend them: ENV=stage, or all
# --- Releasing -------------------------------------------------------------------------------------------------------
build: $(VENV) ## Build REF=… (main) into the store: ENV=stage; FETCH=1
	$(PYTHON) -m commands.build $(BUILD) $(LOUD) $(ENVIRONMENTS)
toolchain: $(VENV) ## Build Erlang and Elixir of the data: ENV=stage
update: $(VENV) ## Build, and release what was built: ENV=stage
	$(PYTHON) -m commands.update $(BUILD) $(ANSWER) $(ENVIRONMENTS)
release: $(VENV) ## Release the newest, VERSION=… or TARBALL=…: ENV=stage
	$(PYTHON) -m commands.release $(call option,VERSION,version) $(call option,TARBALL,tarball) $(ANSWER) $(ENVIRONMENTS)
promote: $(VENV) ## Release what is good in FROM=stage: ENV=prod
	$(PYTHON) -m commands.promote $(call option,FROM,from) $(ANSWER) $(ENVIRONMENTS)
rollback: $(VENV) ## Go back, to VERSION=…; MIGRATE_DOWN=… first: ENV=stage
	$(PYTHON) -m commands.rollback $(call option,VERSION,version) $(call option,MIGRATE_DOWN,migrate-down) $(ANSWER) $(ENVIRONMENTS)
migrate: $(VENV) ## Back up, and migrate with the running release: ENV=stage
	$(PYTHON) -m commands.migrate $(ANSWER) $(ENVIRONMENTS)
migrate-down: $(VENV) ## Back up, and take back down to VERSION=…: ENV=stage
	$(PYTHON) -m commands.migrate_down $(call option,VERSION,version) $(ANSWER) $(ENVIRONMENTS)
restore: $(VENV) ## Restore DUMP=…, and keep the old database: ENV=stage
	$(PYTHON) -m commands.restore $(call option,DUMP,dump) $(ANSWER) $(ENVIRONMENTS)
restart: $(VENV) ## Restart, and check the health: ENV=stage
releases: $(VENV) ## List releases and their log: ENV=stage, or all
ping: $(VENV) ## Ask whether the node answers: ENV=stage, or all
console: $(VENV) ## A shell in the running node: ENV=stage
psql: $(VENV) ## Open its database, or run SQL from < a file: ENV=stage
open: $(VENV) ## Print the site's address, and open it: ENV=stage
# These take environments, or nothing.
plan toolchain restart destroy: SAYS = $(LOUD) $(call flag,FORCE,force)
check plan destroy drift status doctor toolchain restart releases ping console psql open docs:
	$(PYTHON) -m commands.$@ $(SAYS) $(ENVIRONMENTS)
# Over the environment: a newline in a recipe would end the command.
rpc task exec: export EXPRESSION = $(or $(call given,EXPR),$(call given,CMD))
rpc: $(VENV) ## Run EXPR='…' in the running node: ENV=stage
task: $(VENV) ## Evaluate EXPR='…' beside the running node: ENV=stage
exec: $(VENV) ## Run CMD='…' in the application's sandbox: ENV=stage
rpc task exec:
	$(PYTHON) -m commands.$@ $(or $(ENVIRONMENTS),-- '') "$$EXPRESSION"
logs: $(VENV) ## Follow the journal, from SINCE=-1h on: ENV=stage
	$(PYTHON) -m commands.logs $(call option,SINCE,since) $(ENVIRONMENTS)
unlock: $(VENV) ## Show the lock's holder, and break it: ENV=stage
	$(PYTHON) -m commands.unlock $(call flag,YES,yes) $(ENVIRONMENTS)
# --- The application's side ------------------------------------------------------------------------------------------
app-check: $(VENV) ## Compare a checkout with the data: APP=../billing
app-plan: $(VENV) ## Show the changes of app-apply: APP=../billing
app-check app-plan:
	$(PYTHON) -m commands.$(subst -,_,$@) $(call option,APP,app) $(ENVIRONMENTS)
app-apply: $(VENV) ## Plan, ask, change a checkout: APP=../billing
	$(PYTHON) -m commands.app_apply $(call option,APP,app) $(ANSWER) $(ENVIRONMENTS)
# --- Secrets ---------------------------------------------------------------------------------------------------------
vault-init: $(VENV) ## Make strong values for missing secrets: ENV=stage
vault-edit: $(VENV) ## Edit the secrets in your editor: ENV=stage
vault-set: $(VENV) ## Store a value, from standard input: ENV=stage KEY=…
vault-rotate: $(VENV) ## Make a new strong value: ENV=stage KEY=…
vault-init vault-edit vault-set vault-rotate:
	$(PYTHON) -m commands.$(subst -,_,$@) $(call option,KEY,key) $(READERS) $(ENVIRONMENTS)
vault-show: $(VENV) ## Show a value: ENV=stage KEY=…
	$(PYTHON) -m commands.vault_show $(call option,KEY,key) $(ENVIRONMENTS)
vault-import: $(VENV) ## Store the variables of a file: ENV=stage FILE=.env
	$(PYTHON) -m commands.vault_import $(call option,FILE,file) $(READERS) $(ENVIRONMENTS)
vault-recipients: $(VENV) ## Seal and encrypt all vaults; NEW=1 new readers
	$(PYTHON) -m commands.vault_recipients $(READERS) $(call flag,TRUST,trust)
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
chaos: $(VENV) sandbox-packages ## Try 200 random power cuts on a machine, or N=…
	$(PYTHON) -m tests.host.chaos $(call text,N)
bench: $(VENV) .venv-bench/installed sandbox-packages ## Measure beside Ansible: SECTIONS="cases restart"
	export PATH="$$PWD/.venv-bench/bin:$$PATH" && $(PYTHON) -m bench.same_host && $(PYTHON) -m bench $(call each,SECTIONS)
differential: $(VENV) sandbox-packages ## Compare the connectors on 200 deploys, or N=…
	$(PYTHON) -m tests.host.differential $(call text,N)
lint: $(VENV) lint-shell ## Formatting, lint, types, import contracts, shell
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports --no-logo
lint-shell:
	commands/install.sh packages shellcheck && shellcheck --external-sources --source-path=SCRIPTDIR $(PROGRAMS)
format: $(VENV) ## Format the code
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .
docs: $(VENV) ## Write docs/group-data.md from the models
lock: ## Resolve the dependencies of pyproject.toml again
	commands/install.sh lock
$(VENV): requirements.lock
.venv-bench/installed: bench/requirements.lock
$(VENV) .venv-bench/installed:
	commands/install.sh venv $(@D) $<
