# The hostile firmware program (tests/efi/README), for both widths of UEFI. Output: $(BUILD)/efi/hostile-*.efi
#
#   make hostile

.PHONY: hostile
HOSTILE := tests/efi
# UEFI's calling convention and file format are Windows': only clang with lld makes them here.
HOSTILE_CC    := clang
HOSTILE_LINK  := lld-link
HOSTILE_CFLAGS := -std=gnu11 $(WARNINGS) -O1 -ffreestanding -fshort-wchar -mno-red-zone -mno-stack-arg-probe -mno-implicit-float \
                  -fno-builtin -fno-stack-protector -Wno-unused-command-line-argument
HOSTILE_WIDTHS := x64 ia32
HOSTILE_x64    := --target=x86_64-unknown-windows
HOSTILE_ia32   := --target=i686-unknown-windows
HOSTILE_LINK_x64  := /machine:x64 /entry:efi_main
HOSTILE_LINK_ia32 := /machine:x86 /entry:efi_main /safeseh:no

define hostile_width
HOSTILE_OBJECTS_$(1) := $$(patsubst $(HOSTILE)/%,$(BUILD)/efi/$(1)/%.obj,$$(wildcard $(HOSTILE)/*.c) $(HOSTILE)/stubs-$(1).S)
$(BUILD)/efi/$(1)/%.c.obj: $(HOSTILE)/%.c $(HOSTILE)/efi.mk
	@mkdir -p $$(@D)
	$$(Q)$(HOSTILE_CC) $(HOSTILE_$(1)) $(HOSTILE_CFLAGS) -MMD -MP -c -o $$@ $$<
$(BUILD)/efi/$(1)/%.S.obj: $(HOSTILE)/%.S $(HOSTILE)/efi.mk
	@mkdir -p $$(@D)
	$$(Q)$(HOSTILE_CC) $(HOSTILE_$(1)) -c -o $$@ $$<
$(BUILD)/efi/hostile-$(1).efi: $$(HOSTILE_OBJECTS_$(1))
	$$(Q)$(HOSTILE_LINK) /nologo /subsystem:efi_application /nodefaultlib /Brepro $(HOSTILE_LINK_$(1)) /out:$$@ $$^
-include $$(wildcard $(BUILD)/efi/$(1)/*.d)
endef
$(foreach w,$(HOSTILE_WIDTHS),$(eval $(call hostile_width,$(w))))

# The offender, x64 only: the same rules make its objects.
OFFENDER_OBJECTS := $(patsubst %,$(BUILD)/efi/x64/%.obj,offender/offender.c offender/calls.S text.c)
$(BUILD)/efi/offender-x64.efi: $(OFFENDER_OBJECTS)
	$(Q)$(HOSTILE_LINK) /nologo /subsystem:efi_application /nodefaultlib /Brepro $(HOSTILE_LINK_x64) /out:$@ $^
-include $(BUILD)/efi/x64/offender/offender.c.d

## hostile            the hostile firmware program of the UEFI tests
hostile: $(patsubst %,$(BUILD)/efi/hostile-%.efi,$(HOSTILE_WIDTHS)) $(BUILD)/efi/offender-x64.efi
