# Checks of the tree and of the linked image, and the targets that put all tests together.

.PHONY: headers deps elf init exit-path style format check-format tidy check-static check-clang check check-all hooks \
        commands check-host

ALL_C := $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')

## headers            each header compiles alone
headers: $(GENERATED)
	$(Q)$(PYTHON) tests/check/headers.py $(CC)
## deps               includes keep to the ranks
deps:
	$(Q)$(PYTHON) tests/check/deps.py
# What the EFI stage runs before the switch to link addresses.
AT_LOAD_ADDRESS := $(wildcard efi/*.c arch/x86/lib/*.c boot/info/*.c) arch/x86/dev/uart.c \
                   arch/x86/cpu/physmap.c arch/x86/cpu/image.c
## elf                segments, header offsets, relocations, privileged instructions in PURE objects
elf: $(BUILD)/berth
	$(Q)$(PYTHON) tests/check/elf.py $(BUILD) --pure $(patsubst %,$(BUILD)/%.o,$(PURE_SOURCES)) \
	  --load-address $(patsubst %,$(BUILD)/%.o,$(AT_LOAD_ADDRESS))
## init               nothing that stays after the boot uses what is given back
init: $(BUILD)/berth
	$(Q)$(PYTHON) tests/check/init.py $(TARGET_OBJECTS)
## exit-path          what runs while a guest is stopped: no lock, no allocation, loops that end, a stack that is enough
exit-path: $(BUILD)/berth
	$(Q)$(PYTHON) tests/check/exit_path.py $(BUILD)/berth.debug tests/check/exit_path.rules
## style              file lengths, folder READMEs, and that documents name tests that are there
style:
	$(Q)$(PYTHON) tests/check/style.py
## format             format all C files
format:
	$(Q)clang-format -i $(ALL_C)
check-format:
	$(Q)clang-format --dry-run -Werror $(ALL_C)

TIDY_FILES := $(addprefix tidy-,$(sort $(PURE_SOURCES) $(PRIV_SOURCES) $(DEBUG_SOURCES)))
.PHONY: $(TIDY_FILES)
$(TIDY_FILES): tidy-%: % $(GENERATED) $(BUILD)/include/version.h
	$(Q)clang-tidy --quiet $< -- $(filter-out -fno-tree-loop-distribute-patterns -fno-shrink-wrap,$(TARGET_CFLAGS)) \
	  $(call core_includes,$(SEES_$(call folder,$<))) 2> $(BUILD)/$(subst /,-,$@).err \
	  || { cat $(BUILD)/$(subst /,-,$@).err; exit 1; }
## tidy               clang-tidy over the product's sources
tidy: $(TIDY_FILES)

## check-clang        build with clang, and check the result
check-clang:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang elf init exit-path pe
## check-static       all that runs nothing
check-static: headers deps elf init exit-path pe style check-format tidy check-clang

## commands           for clangd
commands: compile_commands.json
compile_commands.json:
	bear -- $(MAKE) BUILD=$(BUILD)/bear all

## hooks              install a pre-commit hook that runs the quick checks
hooks:
	printf '#!/bin/sh\nexec make DEPS=skip check-format style deps headers check-unit\n' > .git/hooks/pre-commit
	chmod +x .git/hooks/pre-commit

## check-host         all that needs no machine, and builds what the machines need; side by side with make -j2
check-host: all check-static check-unit check-lengths reproducible coverage fuzz-smoke guests hostile debug-image

SIDE_BY_SIDE = $(MAKE) --no-print-directory -j$(JOBS) --output-sync=target
# Packages first, by themselves: nothing else can be built before they are there.
## check              the whole test-suite, as CI runs it
check: packages
	$(Q)$(MAKE) --no-print-directory DEPS=skip check-all
check-all:
	$(Q)$(SIDE_BY_SIDE) check-host
	$(Q)$(MAKE) --no-print-directory check-qemu
	$(Q)$(MAKE) --no-print-directory check-matrix
