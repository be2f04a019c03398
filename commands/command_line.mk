# What the Makefile refuses of make's command line. It brings `quoted` and `VENV`.
$(if $(filter 3.%,$(MAKE_VERSION)),$(error GNU make 4 is needed, and this is $(MAKE_VERSION)))
TARGETS := $(shell awk -F: '/^[a-z-]+:/ { print $$1 }' $(firstword $(MAKEFILE_LIST)))
.PHONY: $(TARGETS)
HERE := $(realpath $(dir $(firstword $(MAKEFILE_LIST))))
$(if $(filter-out $(HERE),$(realpath $(CURDIR))),$(error This Makefile works in its own folder: make -C $(HERE) $(MAKECMDGOALS)))
# MAKEFLAGS of the shell; on level 1 and deeper it is another make's, which somebody called with these variables.
STRAY = $(shell tr '\0' '\n' < /proc/$$PPID/environ 2>&- | grep -E '^(GNU)?MAKEFLAGS=(.*[[:space:]])?[A-Za-z_]+[:+?]*=')
$(if $(MAKEOVERRIDES),$(if $(filter 0,$(MAKELEVEL)),$(if $(STRAY),$(error MAKEFLAGS in your shell sets variables: unset it))))
# A misspelt or empty variable must not mean every environment, or the newest release.
VARIABLES := ENV VERSION TARBALL FROM REF UNCOMMITTED REBUILD FETCH VERBOSE YES FORCE MIGRATE_DOWN DUMP SINCE EXPR APP KEY \
    FILE NEW TRUST RELEASE CMD N SECTIONS PYTHON
WRONG := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),\
    $(if $(filter $(VARIABLES),$(name)),$(if $(strip $(value $(name))),,$(name)=),$(name))))
STRANGE := $(filter-out $(TARGETS) $(VENV) .venv-bench/installed,$(MAKECMDGOALS))
SAID := $(if $(strip $(WRONG)$(STRANGE)),$(shell python3 commands/misspelt.py $(MAKELEVEL) \
    $(call quoted,$(WRONG)) $(call quoted,$(STRANGE)) '$(VARIABLES)' '$(TARGETS)' 2>&- \
    || echo $(call quoted,$(strip $(WRONG) $(STRANGE)))' is empty or no variable or target here. Nothing was done'))
$(if $(SAID),$(error $(SAID)))
# The targets of each variable that says what is done. Another target would pass over it, and do something else.
FOR_VERSION := release rollback migrate-down
FOR_TARBALL := release
FOR_FROM := promote
FOR_REF := build update
FOR_UNCOMMITTED := build update
FOR_REBUILD := build update
FOR_FETCH := build update
FOR_MIGRATE_DOWN := rollback
FOR_DUMP := restore
FOR_SINCE := logs
FOR_EXPR := rpc task exec
FOR_CMD := exec rpc task sandbox-ssh
FOR_APP := app-check app-plan app-apply
FOR_KEY := vault-set vault-rotate vault-show vault-init vault-edit
FOR_FILE := vault-import
FOR_NEW := vault-init vault-edit vault-set vault-rotate vault-import vault-recipients
FOR_TRUST := vault-recipients
FOR_FORCE := apply plan destroy toolchain restart
FOR_RELEASE := sandbox-up demo
FOR_N := soak chaos differential
FOR_SECTIONS := bench
FOREIGN := $(firstword $(foreach name,$(VARIABLES),$(if $(filter command,$(origin $(name))),$(if $(FOR_$(name)),\
    $(if $(filter $(FOR_$(name)),$(MAKECMDGOALS)),,$(name))))))
$(if $(filter 0,$(MAKELEVEL)),$(if $(FOREIGN),$(error $(strip make $(MAKECMDGOALS)) takes no $(FOREIGN), which \
    is for: make $(FOR_$(FOREIGN)). Nothing was done)))
$(if $(filter command,$(origin ENV)),$(if $(filter check,$(MAKECMDGOALS)),$(error make check takes no ENV: it looks at all \
    environments, as one may be wrong because of another. Nothing was done)))
