"""`python -m helpers doctor` says whether this computer is ready, and what to do where it is not.

It exits with 1 when there is a problem, so that a script can ask too.
"""

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network", action="store_true", help="also ask whether the Hugging Face hub answers"
    )


def run(arguments: argparse.Namespace) -> None:
    from helpers.course.doctor import State, examine, report

    findings = examine(network=arguments.network)
    print(report(findings))
    if any(finding.state == State.PROBLEM for finding in findings):
        sys.exit(1)
