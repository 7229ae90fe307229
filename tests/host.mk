# Host tests of the PURE folders: unit and property tests (cmocka, ASan, UBSan), coverage, fuzzing (libFuzzer).

.PHONY: check-unit check-lengths coverage fuzz fuzz-smoke

# mem.c is the C library's job on the host; its own test compiles it under other names.
HOST_SOURCES := $(filter-out arch/x86/lib/mem.c,$(PURE_SOURCES))
HOST_INCLUDES := $(call core_includes,$(RANK5)) -Itests/unit
HOST_CFLAGS := $(COMMON_CFLAGS) -g -O1 -fno-omit-frame-pointer -D_GNU_SOURCE
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
HOST_OBJECTS := $(patsubst %,$(BUILD)/host/%.o,$(HOST_SOURCES))

$(BUILD)/host/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)gcc $(HOST_CFLAGS) $(SANITIZE) $(call core_includes,$(or $(SEES_$(call folder,$<)),$(RANK5))) -Itests/unit -MMD -MP -c -o $@ $<
$(BUILD)/unit/%: $(BUILD)/host/tests/unit/%.c.o $(HOST_OBJECTS)
	@mkdir -p $(@D)
	$(Q)gcc $(SANITIZE) -o $@ $^ -lcmocka

## check-unit         unit and property tests on the host, under ASan and UBSan
UNIT_RUNS := $(addprefix run-,$(UNIT_TESTS))
.PHONY: $(UNIT_RUNS)
check-unit: $(UNIT_RUNS)
$(UNIT_RUNS): run-%: $(BUILD)/unit/%
	$(Q)$<

$(BUILD)/lengths/compare: tests/lengths/compare.c arch/x86/guest/policy/insn_decode.c arch/x86/guest/policy/insn_length.c
	@mkdir -p $(@D)
	$(Q)gcc -O2 $(WARNINGS) -D_GNU_SOURCE -Iinclude $(call core_includes,$(RANK5)) -o $@ $^
## check-lengths      lengths of instructions, against objdump's
check-lengths: $(BUILD)/lengths/compare
	$(Q)$(PYTHON) tests/lengths/lengths.py $<

# Line coverage of the PURE folders by the unit tests: fails below 90 %.
COV_OBJECTS := $(patsubst %,$(BUILD)/coverage/%.o,$(HOST_SOURCES))
$(BUILD)/coverage/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)gcc $(HOST_CFLAGS) -O0 --coverage -fprofile-update=atomic $(call core_includes,$(or $(SEES_$(call folder,$<)),$(RANK5))) -Itests/unit -MMD -MP -c -o $@ $<
$(BUILD)/coverage/%: $(BUILD)/coverage/tests/unit/%.c.o $(COV_OBJECTS)
	$(Q)gcc --coverage -o $@ $^ -lcmocka
## coverage           line coverage of the PURE folders by the unit tests (90 % or more)
COV_RUNS := $(addprefix cover-,$(UNIT_TESTS))
.PHONY: $(COV_RUNS) cover-anew
cover-anew:
	$(Q)mkdir -p $(BUILD)/coverage && find $(BUILD)/coverage -name '*.gcda' -delete
$(COV_RUNS): cover-%: $(BUILD)/coverage/% | cover-anew
	$(Q)$< > /dev/null 2>&1 || { echo "$< failed"; exit 1; }
coverage: $(COV_RUNS)
	$(Q)gcovr --root . --object-directory $(BUILD)/coverage $(addprefix --filter ,$(PURE)) --fail-under-line 90 -s

# make fuzz T=mb2 S=60. Without T: every target for S seconds. fuzz-smoke: each corpus once, and three seconds more.
S ?= 60
T ?=
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
ifneq ($(filter-out $(FUZZ_TARGETS),$(T)),)
$(error there is no fuzz target $(T): T= is one of $(FUZZ_TARGETS))
endif
FUZZ_CFLAGS := $(HOST_CFLAGS) -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
FUZZ_OBJECTS := $(patsubst %,$(BUILD)/fuzz/%.o,$(HOST_SOURCES))
$(BUILD)/fuzz/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) $(call core_includes,$(or $(SEES_$(call folder,$<)),$(RANK5))) -Itests/unit -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.c.o $(FUZZ_OBJECTS)
	$(Q)clang -fsanitize=address,undefined,fuzzer -o $@ $^
define run_fuzz
	$(Q)set -e; for t in $(1); do mkdir -p $(BUILD)/fuzz/corpus/$$t; \
	  $(BUILD)/fuzz/$$t -max_total_time=$(2) -print_final_stats=0 -verbosity=0 -artifact_prefix=$(BUILD)/fuzz/$$t- \
	    $(BUILD)/fuzz/corpus/$$t tests/fuzz/corpus/$$t && echo "fuzz $$t: $(2) s, no finding"; done
endef
## fuzz               libFuzzer: make fuzz T=mb2 S=60; without T every target
fuzz: $(addprefix $(BUILD)/fuzz/,$(or $(T),$(FUZZ_TARGETS)))
	$(call run_fuzz,$(or $(T),$(FUZZ_TARGETS)),$(S))
## fuzz-smoke         every fuzz target for three seconds
FUZZ_SMOKE := $(addprefix fuzz-smoke-,$(FUZZ_TARGETS))
.PHONY: $(FUZZ_SMOKE)
fuzz-smoke: $(FUZZ_SMOKE)
$(FUZZ_SMOKE): fuzz-smoke-%: $(BUILD)/fuzz/%
	$(call run_fuzz,$*,3)

-include $(HOST_OBJECTS:.o=.d) $(COV_OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d)
-include $(wildcard $(foreach kind,host coverage,$(BUILD)/$(kind)/tests/unit/*.d) $(BUILD)/fuzz/tests/fuzz/*.d)
.PRECIOUS: $(BUILD)/host/%.c.o $(BUILD)/coverage/%.c.o $(BUILD)/fuzz/%.c.o
