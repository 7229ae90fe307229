# The test guests (tests/guests/README). Included by the top-level Makefile; everything goes to $(BUILD)/guests.

## guests             build the test guests: all variants of the zeropage kernel, the probe, the shim, the intruder
.PHONY: guests
GUESTS := tests/guests
GUEST_CFLAGS := -std=gnu11 $(WARNINGS) -ffreestanding -fpie -fvisibility=hidden -Os -fno-strict-aliasing \
                -fno-stack-protector -mno-red-zone -mgeneral-regs-only -fno-jump-tables \
                -fno-asynchronous-unwind-tables \
                -fcf-protection=none -fno-common -fno-delete-null-pointer-checks -I$(GUESTS)/lib
GUEST_ASFLAGS := -Wa,--fatal-warnings,--noexecstack
ifneq (,$(findstring clang,$(CC)))
GUEST_ASFLAGS += -no-integrated-as -Wno-unused-command-line-argument
endif
GUEST_LINK := -nostdlib -static --no-dynamic-linker --build-id=none -z noexecstack --orphan-handling=error \
              --fatal-warnings --no-warn-rwx-segments
ld_machine = $(if $(filter -m32,$(1)),elf_i386,elf_x86_64)

# --- zeropage: one bzImage for each line; what is not named is as in zeropage/variant.h ---------------------
ZEROPAGE_VARIANTS := zp64 zp32 zp64-fixed zp32-fixed zp32-206 zp32-209 zp32-210 zp32-211 zp64-huge zp64-low4g \
                     zp32-lowinitrd
ZEROPAGE_zp64           := -m64
ZEROPAGE_zp32           := -m32 -DXLOADFLAGS=0
ZEROPAGE_zp64-fixed     := -m64 -DRELOCATABLE=0
ZEROPAGE_zp32-fixed     := -m32 -DXLOADFLAGS=0 -DRELOCATABLE=0
# Older protocols: the bytes where xloadflags is today mean nothing, whatever they hold.
ZEROPAGE_zp32-206       := -m32 -DPROTOCOL=0x0206 -DRELOCATABLE=0
ZEROPAGE_zp32-209       := -m32 -DPROTOCOL=0x0209
ZEROPAGE_zp32-210       := -m32 -DPROTOCOL=0x020a
ZEROPAGE_zp32-211       := -m32 -DPROTOCOL=0x020b
ZEROPAGE_zp64-huge      := -m64 -DINIT_SIZE=0x8000000
# A 64-bit entry, but everything below 4 GiB; an initrd limit of 48 MiB.
ZEROPAGE_zp64-low4g     := -m64 -DXLOADFLAGS=1
ZEROPAGE_zp32-lowinitrd := -m32 -DXLOADFLAGS=0 -DINITRD_ADDR_MAX=0x2ffffff

# Other kernel files with the frame of zp64: their main program is in a folder of their own.
ZEROPAGE_FRAME := $(addprefix $(GUESTS)/zeropage/,setup.S tail.S exceptions.c) $(wildcard $(GUESTS)/lib/*.c)
ZEROPAGE_SOURCES := $(GUESTS)/zeropage/setup.S $(GUESTS)/zeropage/tail.S $(wildcard $(GUESTS)/zeropage/*.c) \
                    $(wildcard $(GUESTS)/lib/*.c)
# name, flags, sources
define zeropage_variant
ZEROPAGE_OBJECTS_$(1) := $$(patsubst $(GUESTS)/%,$(BUILD)/guests/$(1)/%.o,$(3) \
                         $(GUESTS)/zeropage/entry$(if $(filter -m32,$(2)),32,64).S)
$(BUILD)/guests/$(1)/%.c.o: $(GUESTS)/%.c $(GUESTS)/guests.mk
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(GUEST_CFLAGS) $(2) -DVARIANT_NAME='"$(1)"' -MMD -MP -c -o $$@ $$<
$(BUILD)/guests/$(1)/%.S.o: $(GUESTS)/%.S $(GUESTS)/guests.mk
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(GUEST_ASFLAGS) $(2) -DVARIANT_NAME='"$(1)"' -I$(GUESTS)/zeropage -MMD -MP -c -o $$@ $$<
$(BUILD)/guests/$(1).elf: $$(ZEROPAGE_OBJECTS_$(1)) $(GUESTS)/zeropage/zeropage.lds
	$$(Q)$$(LD) -m $(call ld_machine,$(2)) $(GUEST_LINK) -e startup_32 -T $(GUESTS)/zeropage/zeropage.lds -o $$@ \
	  $$(ZEROPAGE_OBJECTS_$(1))
	$$(Q)! readelf -rW $$(filter %.c.o,$$(ZEROPAGE_OBJECTS_$(1))) | grep -E 'R_X86_64_(64|32)|R_386_32|GOT32' || \
	  { echo "$(1): an absolute address crept in"; rm $$@; exit 1; }
-include $$(ZEROPAGE_OBJECTS_$(1):.o=.d)
endef
$(foreach v,$(ZEROPAGE_VARIANTS),$(eval $(call zeropage_variant,$(v),$(ZEROPAGE_$(v)),$(ZEROPAGE_SOURCES))))

# --- cost: what single instructions cost ----------------------------------------------------------------------
$(eval $(call zeropage_variant,cost,-m64 -I$(GUESTS)/zeropage,$(ZEROPAGE_FRAME) $(wildcard $(GUESTS)/cost/*.c)))

$(BUILD)/guests/%.bzimage: $(BUILD)/guests/%.elf
	$(Q)$(OBJCOPY) -O binary $< $@

# --- probe: one bzImage, with the header and the real-mode part of zeropage -------------------------------------
PROBE_FLAGS := -m64 -DVARIANT_NAME='"probe"' -I$(GUESTS)/zeropage -I$(GUESTS)/probe
PROBE_SOURCES := $(GUESTS)/zeropage/setup.S $(GUESTS)/zeropage/tail.S $(wildcard $(GUESTS)/probe/*.[cS]) \
                 $(wildcard $(GUESTS)/lib/*.c)
PROBE_OBJECTS := $(patsubst $(GUESTS)/%,$(BUILD)/guests/probe-objects/%.o,$(PROBE_SOURCES))
$(BUILD)/guests/probe-objects/%.c.o: $(GUESTS)/%.c $(GUESTS)/guests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(PROBE_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/guests/probe-objects/%.S.o: $(GUESTS)/%.S $(GUESTS)/guests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_ASFLAGS) $(PROBE_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/guests/probe.elf: $(PROBE_OBJECTS) $(GUESTS)/zeropage/zeropage.lds
	$(Q)$(LD) -m elf_x86_64 $(GUEST_LINK) -e startup_32 -T $(GUESTS)/zeropage/zeropage.lds -o $@ $(PROBE_OBJECTS)
	$(Q)! readelf -rW $(filter %.c.o,$(PROBE_OBJECTS)) | grep -E 'R_X86_64_(64|32)|GOT32' || \
	  { echo "probe: an absolute address crept in"; rm $@; exit 1; }
-include $(PROBE_OBJECTS:.o=.d)

# --- intruder: a program for Linux, static ------------------------------------------------------------------------
$(BUILD)/guests/intruder: $(GUESTS)/intruder/intruder.c $(GUESTS)/guests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -O1 -static -o $@ $<

# --- shim ---------------------------------------------------------------------------------------------------
SHIM_SOURCES := $(wildcard $(GUESTS)/shim/*.S $(GUESTS)/shim/*.c $(GUESTS)/lib/*.c)
SHIM_OBJECTS := $(patsubst $(GUESTS)/%,$(BUILD)/guests/shim-objects/%.o,$(SHIM_SOURCES))
$(BUILD)/guests/shim-objects/%.c.o: $(GUESTS)/%.c $(GUESTS)/guests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -m32 -MMD -MP -c -o $@ $<
$(BUILD)/guests/shim-objects/%.S.o: $(GUESTS)/%.S $(GUESTS)/guests.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_ASFLAGS) -m32 -MMD -MP -c -o $@ $<
$(BUILD)/guests/shim.elf: $(SHIM_OBJECTS) $(GUESTS)/shim/shim.lds
	$(Q)$(LD) -m elf_i386 $(GUEST_LINK) -T $(GUESTS)/shim/shim.lds -o $@ $(SHIM_OBJECTS)
-include $(SHIM_OBJECTS:.o=.d)

guests: $(patsubst %,$(BUILD)/guests/%.bzimage,$(ZEROPAGE_VARIANTS) probe cost) $(BUILD)/guests/shim.elf \
        $(BUILD)/guests/intruder
.PRECIOUS: $(BUILD)/guests/%.elf
