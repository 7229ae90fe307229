# The regression matrix of load addresses, loaders and machines (tests/qemu/matrix, docs/matrix.md).

.PHONY: check-matrix check-matrix-full case

MATRIX_INPUTS := $(BUILD)/berth $(BUILD)/berth.efi $(BUILD)/kernel/cloud/vmlinuz $(BUILD)/kernel/amd64/vmlinuz \
                 $(BUILD)/initrd-report.gz guests
MATRIX := cd tests/qemu && BERTH_BUILD=$(abspath $(BUILD)) $(PYTHON) -B -m matrix
MATRIX_OPTIONS = --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(if $(FRESH),--fresh) $(addprefix --only ,$(ONLY))

## check-matrix       every slot by BIOS and UEFI, odd addresses, every axis value, some pairs (SEED= FRESH=1 JOBS= ONLY=group)
check-matrix: $(MATRIX_INPUTS)
	$(Q)$(MATRIX) check $(MATRIX_OPTIONS)

## check-matrix-full  the same with all pairs, full products and more of the real kernel
check-matrix-full: $(MATRIX_INPUTS)
	$(Q)$(MATRIX) full $(MATRIX_OPTIONS)

## case               one case of the matrix, its log on the terminal: make case C=slots-bios.0x7de00000
case: $(MATRIX_INPUTS)
	$(Q)$(MATRIX) case '$(C)'

## check-mutants      small faults in a copy of the source: the matrix must catch each (tests/check/mutants)
.PHONY: check-mutants
check-mutants: $(MATRIX_INPUTS)
	$(Q)$(PYTHON) -B tests/check/mutants/mutants.py $(BUILD)
