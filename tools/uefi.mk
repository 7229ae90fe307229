# UEFI: one file with configuration, kernel and initrd in it, its signature, the checks of the image, its reproducibility.

.PHONY: pe unified sign reproducible

## pe                 the strict check of build/berth.efi, and what file, objdump, grub-file and sbverify say
pe: $(BUILD)/berth.efi
	$(Q)$(PYTHON) tests/check/pe.py $<

## unified            one EFI program out of CONFIG= KERNEL= RAMDISK= (OUT=build/berth-unified.efi)
unified: OUT ?= $(BUILD)/berth-unified.efi
unified: $(BUILD)/berth.efi
	$(Q)tools/unify.py $(if $(CONFIG),--config '$(CONFIG)') $(if $(KERNEL),--kernel '$(KERNEL)') \
	  $(if $(RAMDISK),--ramdisk '$(RAMDISK)') $< '$(OUT)'
	$(Q)$(PYTHON) tests/check/pe.py --unified '$(OUT)'

## sign               sign an EFI program for Secure Boot: KEY= CERT= (IN=build/berth-unified.efi OUT=build/berth-signed.efi)
sign: IN ?= $(BUILD)/berth-unified.efi
sign: OUT ?= $(BUILD)/berth-signed.efi
sign:
	$(Q)test -n '$(KEY)' -a -n '$(CERT)' || { echo "sign: give KEY= and CERT= (PEM files)" >&2; exit 1; }
	$(Q)test -f '$(IN)' || { echo "sign: there is no $(IN): run make unified, or give IN=" >&2; exit 1; }
	$(Q)sbsign --key '$(KEY)' --cert '$(CERT)' --output '$(OUT)' '$(IN)'
	$(Q)sbverify --cert '$(CERT)' '$(OUT)'
	$(Q)$(PYTHON) tests/check/pe.py --unified --signed '$(OUT)'

## reproducible       two builds at other paths and times are the same, bit for bit
reproducible:
	$(Q)tools/reproducible.sh

# The initrd of the UEFI tests reads variables, for which Debian's kernel needs a module.
$(BUILD)/initrd-efi.gz: tools/mkinitrd.py $(BUILD)/kernel/cloud/vmlinuz
	$(Q)tools/fetch_kernel.py cloud --into $(BUILD)/kernel > /dev/null
	$(Q)tools/mkinitrd.py --init efi --file efivarfs.ko=$(BUILD)/kernel/cloud/efivarfs.ko $@
