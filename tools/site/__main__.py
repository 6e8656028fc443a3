"""The command line of the site; see `python -m tools.site --help`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

from helpers.base.files import whole_folder
from tools.browser.__main__ import describe
from tools.browser.bundle import check_packages, write_bundle
from tools.notebooks.__main__ import ROOT
from tools.site.check import problems
from tools.site.stage import stage


def main(arguments: list[str] | None = None) -> int:
    """Build the site and check it; return the exit status, 0 when all is well."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "site", help="default: site/")
    options = parser.parse_args(arguments)
    if options.output.exists() and not (options.output / "index.html").exists():
        parser.error(f"{options.output} is there and holds no site; it would be replaced")
    try:
        check_packages()
    except FileNotFoundError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory(prefix="site-") as folder:
        source = Path(folder) / "source"
        built = Path(folder) / "built" / "html"  # myst-nb writes beside it, too
        stage(ROOT, source)
        warned = build(source, built, Path(folder) / "doctrees")
        print(describe(write_bundle(built / "browser")))
        found = problems(built)
        with whole_folder(options.output) as part:
            shutil.copytree(built, part, dirs_exist_ok=True)
    for problem in found:
        print(problem, file=sys.stderr)
    if not found and not warned:
        print(f"Open {options.output / 'index.html'}")
    return 1 if found or warned else 0


def build(source: Path, output: Path, doctrees: Path) -> int:
    """Render the staged pages with sphinx; return how many warnings there were."""
    app = Sphinx(
        srcdir=source,
        confdir=Path(__file__).parent,
        outdir=output,
        doctreedir=doctrees,
        buildername="html",
        status=None,
        freshenv=True,
    )
    app.build(force_all=True)
    return app._warncount


if __name__ == "__main__":
    sys.exit(main())
