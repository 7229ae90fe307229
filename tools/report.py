#!/usr/bin/python3
"""The matrix' results as one page: build/matrix/results.jsonl and run.json in, one HTML file out.

usage: report.py [--results build/matrix] [--out build/report.html]

The page stands alone: it loads nothing, works offline, and follows the reader's light or dark setting. It links to the
machine-readable results beside it. What it needs of them is in docs/matrix-report.md.
"""
import argparse
import base64
import hashlib
import os
import pathlib
import sys
import urllib.parse

from report_parts.addresses import addresses
from report_parts.failures import failures
from report_parts.loaders import loaders
from report_parts.markup import Markup, join, tag
from report_parts.memory import memory
from report_parts.phases import phases
from report_parts.results import InputError, read_cases, read_run
from report_parts.summary import head

PARTS = pathlib.Path(__file__).resolve().parent / "report_parts"


def policy(script):
    """Nothing is loaded, and no script runs but the page's own, whatever a log may hold."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"


def links(results, out):
    """To the files of the results, relative to the page."""
    files = [path for path in (results / "results.jsonl", results / "run.json", *sorted(results.glob("*.xml")))
             if path.exists()]
    anchors = [tag("a", path.name, href=urllib.parse.quote(os.path.relpath(path, out.parent))) for path in files]
    return tag("p", "Machine-readable: ", *anchors, class_="links")


def page(results, out):
    cases, unreadable = read_cases(results / "results.jsonl")
    run = read_run(results / "run.json")
    style, script = ((PARTS / name).read_text() for name in ("page.css", "page.js"))
    heading = tag("head", tag("meta", charset="utf-8"),
                  tag("meta", http_equiv="Content-Security-Policy", content=policy(script)),
                  tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
                  tag("link", rel="icon", href="data:,"),
                  tag("title", "Berth: the regression matrix"), tag("style", Markup(style)))
    body = tag("body", head(cases, run, unreadable, links(results, out)),
               tag("main", addresses(cases, run), loaders(cases, run), memory(cases), phases(cases, run),
                   failures(cases)),
               tag("div", id="tip", hidden=""), tag("script", Markup(script)))
    return join(Markup("<!DOCTYPE html>\n"), tag("html", heading, body, lang="en"), "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("build/matrix"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/report.html"))
    options = parser.parse_args()
    try:
        content = page(options.results, options.out)
    except InputError as error:
        sys.exit(f"report: {error}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    # A log may hold what no encoding has.
    options.out.write_bytes(content.encode("utf-8", "replace"))
    print(f"report: {options.out}")


if __name__ == "__main__":
    main()
