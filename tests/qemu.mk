# Tests on a machine: QEMU, the real GRUB and Debian's kernels, and guests of our own. See tests/qemu/README.

include tests/guests/guests.mk

.PHONY: check-qemu check-full

PYTEST := $(PYTHON) -m pytest -p no:cacheprovider -q --durations=5
JOBS   ?= 2
TESTS  ?= tests/qemu
QEMU_INPUTS := $(BUILD)/berth $(BUILD)/berth.efi $(BUILD)/bench-plugin.so \
               $(BUILD)/kernel/cloud/vmlinuz $(BUILD)/kernel/amd64/vmlinuz $(BUILD)/initrd-efi.gz \
               $(BUILD)/initrd-report.gz $(BUILD)/initrd-shell.gz $(BUILD)/initrd-quiet.gz guests hostile

## check-qemu         the tests on a machine alone (TESTS=tests/qemu/test_boot.py, JOBS=2)
check-qemu: $(QEMU_INPUTS)
	$(Q)BERTH_BUILD=$(abspath $(BUILD)) $(PYTEST) -n $(JOBS) -m 'not slow' $(TESTS)

## check-full         make check, and what takes longer
check-full: check
	$(call built,check-slow)
	$(call built,check-matrix-full)
.PHONY: check-slow
check-slow: $(QEMU_INPUTS)
	$(Q)BERTH_BUILD=$(abspath $(BUILD)) $(PYTEST) -n $(JOBS) -m slow $(TESTS) || test $$? -eq 5
