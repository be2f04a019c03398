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
