# What a user runs: packages, `make run`, `make debug`, `make bench`, `make help`.

.PHONY: packages run run-built debug bench help

## packages           install what Debian packages are missing (DEPS=skip leaves it out everywhere)
packages:
ifneq ($(DEPS),skip)
	$(Q)tools/install-packages.sh
endif

# Nothing may be built before the packages are there, however parallel make is: hence a second make for the rest.
built = $(Q)$(MAKE) --no-print-directory $(1)

$(BUILD)/kernel/%/vmlinuz:
	$(Q)tools/fetch_kernel.py $* --into $(BUILD)/kernel > /dev/null
$(BUILD)/initrd-%.gz: tools/mkinitrd.py
	$(Q)tools/mkinitrd.py --init $* $@

RUN_INPUTS := $(BUILD)/berth $(BUILD)/kernel/amd64/vmlinuz $(BUILD)/initrd-shell.gz
MEMORY  ?= 1G
CPU     ?=
SMP     ?= 1
CMDLINE ?=
GDB_COMMANDS ?=

RUN_OPTIONS = --build $(BUILD) --memory $(MEMORY) --processors $(SMP) $(addprefix --cpu=,$(CPU)) --cmdline '$(CMDLINE)'

## run                boot a Debian kernel to a shell in QEMU (MEMORY=1G, SMP=1, CPU=max for SVM, CMDLINE="Berth's options")
run: packages
	$(call built,run-built)
run-built: $(RUN_INPUTS)
	$(Q)tools/run.py shell $(RUN_OPTIONS)

## debug              QEMU stopped at the entry, gdb attached, symbols at the load base (GDB_COMMANDS=FILE to run)
debug: packages
	$(call built,debug-built)
.PHONY: debug-built
debug-built: $(RUN_INPUTS)
	$(Q)tools/run.py debug $(RUN_OPTIONS) $(if $(GDB_COMMANDS),--commands $(GDB_COMMANDS))

## bench              instruction counts of every phase and of exits, beside GRUB's own linux command and Xen
bench: packages
	$(call built,bench-built)
.PHONY: bench-built
bench-built: $(BUILD)/berth $(BUILD)/bench-plugin.so $(BUILD)/kernel/cloud/vmlinuz $(BUILD)/kernel/amd64/vmlinuz \
             $(BUILD)/initrd-quiet.gz $(BUILD)/guests/cost.bzimage $(BUILD)/xen/xen
	$(Q)tools/bench.py --build $(BUILD)
$(BUILD)/xen/xen:
	$(Q)tools/peer.py --into $(BUILD)/xen > /dev/null
$(BUILD)/bench-plugin.so: tools/bench_plugin.c
	@mkdir -p $(@D)
	$(Q)gcc -std=gnu11 $(WARNINGS) -O2 -shared -fPIC -o $@ $<

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | sort
