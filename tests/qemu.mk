# Tests on a machine: QEMU, the real GRUB and Debian's kernels, and guests of our own. See tests/qemu/README.

include tests/guests/guests.mk

.PHONY: check-qemu check-full

PYTEST := $(PYTHON) -m pytest -p no:cacheprovider -q --durations=5
JOBS   ?= 2
TESTS  ?= tests/qemu
QEMU_INPUTS := $(BUILD)/berth $(BUILD)/berth.efi $(BUILD)/bench-plugin.so \
               $(BUILD)/kernel/cloud/vmlinuz $(BUILD)/kernel/amd64/vmlinuz $(BUILD)/initrd-efi.gz \
               $(BUILD)/initrd-report.gz $(BUILD)/initrd-shell.gz $(BUILD)/initrd-quiet.gz \
               $(BUILD)/initrd-commands-cloud.gz $(BUILD)/initrd-commands-amd64.gz guests hostile debug-image
# The kernel after Debian's own is as large as all others together.
FULL_INPUTS := $(BUILD)/initrd-commands-backports.gz

## debug-image        build/debug-image/berth: the image with DEBUG=1, which makes mistakes of its own visible
.PHONY: debug-image
debug-image:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/debug-image DEBUG=1 $(BUILD)/debug-image/berth

# Linux that takes orders, with its own modules and the intruder.
COMMANDS_INITRDS := $(patsubst %,$(BUILD)/initrd-commands-%.gz,cloud amd64 backports)
$(COMMANDS_INITRDS): $(BUILD)/initrd-commands-%.gz: tools/mkinitrd.py tools/fetch_kernel.py \
                     $(BUILD)/kernel/%/vmlinuz $(BUILD)/guests/intruder
	$(Q)tools/fetch_kernel.py $* --into $(BUILD)/kernel > /dev/null
	$(Q)tools/mkinitrd.py --init commands --modules $(BUILD)/kernel/$*/modules \
	  --file programs/intruder=$(BUILD)/guests/intruder $@

# Of all tests a part, chosen by SEED; of files that are named, every row.
SAMPLE = $(if $(filter tests/qemu,$(TESTS)),--sample)
export BERTH_SEED := $(SEED)

## check-qemu         the tests on a machine alone: a part (SEED=n), or every row of TESTS=tests/qemu/test_boot.py; JOBS=2
check-qemu: $(QEMU_INPUTS)
	$(Q)BERTH_BUILD=$(abspath $(BUILD)) $(PYTEST) -n $(JOBS) $(SAMPLE) $(TESTS)

## check-full         make check, and what takes longer
check-full: check
	$(call built,check-qemu-full)
	$(call built,check-matrix-full)
	$(call built,check-mutants)
.PHONY: check-qemu-full
check-qemu-full: $(QEMU_INPUTS) $(FULL_INPUTS)
	$(Q)BERTH_BUILD=$(abspath $(BUILD)) $(PYTEST) -n $(JOBS) $(TESTS)
