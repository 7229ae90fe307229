# Berth: build and test. All output goes to $(BUILD).
#
#   make               build/berth and build/berth.debug
#   make run           boot a Debian kernel to a shell in QEMU
#   make check         the whole test-suite, as CI runs it
#   make help          every target
#
# The layers below are the include ranks of docs/design.md: a source file sees its own rank's headers and lower ones.

BUILD ?= build
# 1: an image that makes mistakes of its own visible (docs/testing.md)
DEBUG ?= 0
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
LD     := ld
OBJCOPY := objcopy
NM     := nm
PYTHON := /usr/bin/python3
V      ?= 0
Q      := $(if $(filter 1,$(V)),,@)
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

## all                build/berth, build/berth.efi and build/berth.debug
.PHONY: all
all: $(BUILD)/berth $(BUILD)/berth.efi

VERSION := 0.1.0
VERSION_NUMBERS := $(join -DBERTH_MAJOR= -DBERTH_MINOR= -DBERTH_PATCH=,$(subst ., ,$(VERSION)))
# One abbreviation length everywhere, so that the same commit gives the same bytes whatever the clone looks like.
GIT_REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# --- layers: source folder, then the header folders of include/core it may see -----------------------------------
RANK1 := lib
RANK2 := $(RANK1) info
RANK3 := $(RANK2) mm
RANK4 := $(RANK3) cpu dev
RANK5 := $(RANK4) image policy
RANK6_native := $(RANK5) native
RANK6_hvm := $(RANK5) hvm
RANK7_svm := $(RANK6_hvm) svm
RANK7_vmx := $(RANK6_hvm) vmx
RANK8 := $(RANK5) native hvm svm vmx start

SEES_arch/x86/lib          := $(RANK1)
SEES_boot/info             := $(RANK2)
SEES_arch/x86/mm           := $(RANK3)
SEES_arch/x86/cpu          := $(RANK4)
SEES_arch/x86/dev          := $(RANK4)
SEES_arch/x86/guest/image  := $(RANK5)
SEES_arch/x86/guest/policy := $(RANK5)
SEES_arch/x86/guest/native := $(RANK6_native)
SEES_arch/x86/guest/hvm    := $(RANK6_hvm)
SEES_arch/x86/guest/svm    := $(RANK7_svm)
SEES_arch/x86/guest/vmx    := $(RANK7_vmx)
SEES_boot                  := $(RANK8)
SEES_efi                   := $(RANK8)

# PURE folders are compiled for the target and, unchanged, for the host; PRIV folders for the target alone.
PURE := arch/x86/lib boot/info arch/x86/mm arch/x86/guest/image arch/x86/guest/policy
PRIV := boot efi arch/x86/cpu arch/x86/dev arch/x86/guest/native arch/x86/guest/hvm arch/x86/guest/svm \
        arch/x86/guest/vmx

PURE_SOURCES := $(sort $(foreach d,$(PURE),$(wildcard $(d)/*.c)))
# What only an image with DEBUG=1 has.
DEBUG_SOURCES := boot/debug_locks.c
PRIV_SOURCES := $(filter-out $(if $(filter 1,$(DEBUG)),,$(DEBUG_SOURCES)),$(sort $(foreach d,$(PRIV),$(wildcard $(d)/*.c))))
ASM_SOURCES  := $(sort $(foreach d,$(PRIV),$(wildcard $(d)/*.S)))

# What only the boot needs. These files' code, constants and NOINIT memory are linked as init sections and given back
# before the guest starts (include/core/cpu/init.h); so are functions marked INIT of other files. `make init` checks that
# nothing that stays uses them.
INIT_SOURCES := $(filter-out boot/handover.c boot/info/serial.c boot/info/number.c boot/info/ways_out.c \
                  boot/info/efi_runtime.c boot/info/boot_ram.c, \
                  $(wildcard boot/*.c boot/info/*.c efi/*.c arch/x86/guest/image/*.c)) \
                arch/x86/mm/memmap.c arch/x86/mm/mtrr.c arch/x86/mm/placement.c arch/x86/mm/iommu_tables.c \
                arch/x86/cpu/caps.c arch/x86/cpu/iommu.c arch/x86/cpu/pci_config.c arch/x86/dev/pci_serial.c \
                arch/x86/lib/pci.c arch/x86/guest/vmx/vmx.c
INIT_OBJECTS := $(patsubst %,$(BUILD)/%.o,$(INIT_SOURCES))
TARGET_OBJECTS := $(patsubst %,$(BUILD)/%.o,$(ASM_SOURCES) $(PRIV_SOURCES) $(PURE_SOURCES))

core_includes = $(foreach d,$(1),-Iinclude/core/$(d))
folder = $(patsubst %/,%,$(dir $(1)))

# --- flags -------------------------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wpointer-arith -Wvla -Wformat=2 -Wimplicit-fallthrough -Wcast-align -Wwrite-strings
COMMON_CFLAGS := -std=gnu11 $(WARNINGS) -Iinclude -I$(BUILD)/include -ffreestanding -fno-strict-aliasing

# Position-independent, hidden, no red zone, no vector registers, no jump tables: docs/design.md, "Address map".
TARGET_CFLAGS := $(COMMON_CFLAGS) -O2 -g -m64 -fpie -mcmodel=small -fvisibility=hidden -include x86/visibility.h \
                 -mno-red-zone -mgeneral-regs-only -fno-jump-tables -fno-stack-protector -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer \
                 -fno-optimize-sibling-calls -fno-asynchronous-unwind-tables -fno-delete-null-pointer-checks \
                 -fcf-protection=none -fno-common \
                 -ffile-prefix-map=$(CURDIR)=. -DBERTH_VERSION='"$(VERSION)"' $(VERSION_NUMBERS)
TARGET_ASFLAGS := -D__ASSEMBLY__ -Iinclude -I$(BUILD)/include -m64 -g -Wa,--fatal-warnings,--noexecstack \
                  -ffile-prefix-map=$(CURDIR)=.
# GNU as assembles, whichever compiler drives it.
ifneq (,$(findstring clang,$(CC)))
TARGET_ASFLAGS += -no-integrated-as -Wno-unused-command-line-argument
else
TARGET_CFLAGS += -fno-tree-loop-distribute-patterns -fno-shrink-wrap
endif
# No frame may reach across the guard page below a stack. (The EFI stage runs on the firmware's.)
GUARDED_CFLAGS := -Wframe-larger-than=3072
LINK_FLAGS := -m elf_x86_64 -nostdlib -static --no-dynamic-linker --build-id=none -z noexecstack -z max-page-size=0x1000 \
              --orphan-handling=error --fatal-warnings --no-warn-rwx-segments

# --- generated headers -------------------------------------------------------------------------------------------
GENERATED := $(BUILD)/include/asm-offsets.h

$(BUILD)/include/asm-offsets.h: arch/x86/asm-offsets.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -g,$(TARGET_CFLAGS)) $(call core_includes,$(RANK8)) -MMD -MP -MT $@ -MF $(BUILD)/asm-offsets.d -S -o $(BUILD)/asm-offsets.s $<
	$(Q)sed -n 's/^.*->\([A-Za-z0-9_]*\) \$$\{0,1\}\([-0-9]*\).*/#define \1 \2/p' $(BUILD)/asm-offsets.s > $@

# The version line changes with the revision, the compiler and DEBUG; the file is touched only when it does, and in one
# step: several makes may be at it, as in the tests.
.PHONY: FORCE
FORCE:
$(BUILD)/include/version.h: FORCE
	@mkdir -p $(@D)
	$(Q)new=$@.$$$$; printf '#define BERTH_COMPILER "%s"\n#define BERTH_GIT "%s"\n#define BERTH_DEBUG %u\n' "$(notdir $(CC)) $$($(CC) -dumpfullversion -dumpversion)" "$(GIT_REVISION)" $(if $(filter 1,$(DEBUG)),1,0) > $$new; \
	  if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi

# --- the font: glyphs of a packaged console font, as data ----------------------------------------------------------
FONT := /usr/share/consolefonts/Lat15-Terminus16.psf.gz
$(BUILD)/font.S: tools/font.py
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tools/font.py $(FONT) > $@
$(BUILD)/font.o: $(BUILD)/font.S
	$(Q)$(CC) $(TARGET_ASFLAGS) -c -o $@ $<
TARGET_OBJECTS += $(BUILD)/font.o

# --- objects -----------------------------------------------------------------------------------------------------
$(BUILD)/boot/report.c.o $(BUILD)/boot/debug.c.o $(BUILD)/arch/x86/cpu/image.c.o $(BUILD)/arch/x86/cpu/spinlock.c.o: \
  $(BUILD)/include/version.h

$(BUILD)/%.c.o: %.c Makefile $(GENERATED)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_CFLAGS) $(if $(filter efi/%,$<),,$(GUARDED_CFLAGS)) $(call core_includes,$(SEES_$(call folder,$<))) -MMD -MP -c -o $@ $<
	$(if $(filter $@,$(INIT_OBJECTS)),$(Q)$(OBJCOPY) --prefix-alloc-sections=.init $@)

$(BUILD)/%.S.o: %.S $(GENERATED)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_ASFLAGS) $(call core_includes,$(SEES_$(call folder,$<))) -MMD -MP -c -o $@ $<

# The preprocessed and the assembled form of one file: make boot/head.E, make boot/start.s
%.E: %.c $(GENERATED)
	$(Q)$(CC) $(TARGET_CFLAGS) $(call core_includes,$(SEES_$(call folder,$<))) -E -o - $<
%.E: %.S $(GENERATED)
	$(Q)$(CC) $(TARGET_ASFLAGS) -E -o - $<
%.s: %.c $(GENERATED)
	$(Q)$(CC) $(TARGET_CFLAGS) $(call core_includes,$(SEES_$(call folder,$<))) -S -o - $<

# --- link: once for the addresses, once more with the symbol table made from the first ------------------------------
$(BUILD)/xen.lds: xen.lds.S
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x assembler-with-cpp -D__ASSEMBLY__ -D__LINKER__ -Iinclude -MMD -MP -MT $@ -MF $(BUILD)/xen.lds.d -o $@ $<

$(BUILD)/symbols.empty.S: tools/symbols.py
	@mkdir -p $(@D)
	$(Q)$(PYTHON) tools/symbols.py < /dev/null > $@
$(BUILD)/symbols.full.S: $(BUILD)/berth.first tools/symbols.py
	$(Q)$(NM) -n $< | $(PYTHON) tools/symbols.py > $@
$(BUILD)/symbols.%.o: $(BUILD)/symbols.%.S
	$(Q)$(CC) $(TARGET_ASFLAGS) -c -o $@ $<

$(BUILD)/berth.first: $(TARGET_OBJECTS) $(BUILD)/symbols.empty.o $(BUILD)/xen.lds
	$(Q)$(LD) $(LINK_FLAGS) -T $(BUILD)/xen.lds -o $@ $(TARGET_OBJECTS) $(BUILD)/symbols.empty.o
$(BUILD)/berth.debug: $(TARGET_OBJECTS) $(BUILD)/symbols.full.o $(BUILD)/xen.lds
	$(Q)$(LD) $(LINK_FLAGS) -T $(BUILD)/xen.lds -Map $(BUILD)/berth.map -o $@ $(TARGET_OBJECTS) $(BUILD)/symbols.full.o
	$(Q)$(PYTHON) tools/symbols.py --verify $(BUILD)/berth.first $@
$(BUILD)/berth: $(BUILD)/berth.debug tools/elfimage.py
	$(Q)$(OBJCOPY) --strip-all $< $@
	$(Q)$(PYTHON) tools/elfimage.py $@
	@echo "  $@: $$(stat -c %s $@) bytes"

# The same bytes in their other container: a flat file, which the header at its start makes a PE file.
$(BUILD)/berth.efi: $(BUILD)/berth.debug
	$(Q)$(OBJCOPY) -O binary $< $@
	@echo "  $@: $$(stat -c %s $@) bytes"

-include $(TARGET_OBJECTS:.o=.d) $(BUILD)/xen.lds.d $(BUILD)/asm-offsets.d

include tests/host.mk
include tests/qemu.mk
include tests/matrix.mk
include tools/run.mk
include tools/report.mk
include tests/efi/efi.mk
include tools/uefi.mk
include tests/check.mk

## clean              remove build/
.PHONY: clean
clean:
	rm -rf $(BUILD)
