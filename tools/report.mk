# The matrix' results as a page for people: `make report`, and its picture for the documents.

.PHONY: report report-screenshot

## report             the matrix' results as one page, build/report.html
report: $(BUILD)/matrix/results.jsonl $(BUILD)/matrix/phases.json
	$(Q)tools/report.py --results $(BUILD)/matrix --out $(BUILD)/report.html

$(BUILD)/matrix/results.jsonl:
	@echo "report: there are no results yet: run make check-matrix (about 7 minutes on two cores)" >&2; exit 1

$(BUILD)/matrix/phases.json: $(BUILD)/berth $(BUILD)/bench-plugin.so $(BUILD)/kernel/cloud/vmlinuz $(BUILD)/initrd-quiet.gz
	$(Q)tools/bench.py --build $(BUILD) --kernel cloud --phases $@

# Chromium is no package that anything else needs: whoever makes the picture installs it.
SCREENSHOT ?= docs/report.png
SCREENSHOT_SIZE ?= 1280,2820
## report-screenshot  the page's upper part as docs/report.png; needs Debian's chromium
report-screenshot: report
	$(Q)tools/screenshot.sh $(BUILD)/report.html $(SCREENSHOT) $(SCREENSHOT_SIZE)
