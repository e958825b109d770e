"""Look at everything that ovdet needs, and print for what is wrong the command that mends it.

ovdet doctor

Versions against those asked for, devices, which back ends are live, libraries, fonts, the cache
and the models. ! is wrong, ? may matter to you. The exit status is 1 where something is wrong.
"""

import argparse

SUMMARY = "what is installed, what is live, and what mends what is wrong"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""


def run(options: argparse.Namespace) -> int:  # noqa: ARG001 - there are none
    """Look; return 1 where something is wrong."""
    from ovdet.checkup import GOOD, NOTE, WRONG, Finding, examine

    marks = {GOOD: " ", NOTE: "?", WRONG: "!"}
    wrong: list[Finding] = []
    for title, found in examine():
        print(title, flush=True)
        width = max((len(finding.name) for finding in found), default=0)
        for finding in found:
            hint = f"  [{finding.fix}]" if finding.state == NOTE and finding.fix else ""
            print(f"  {marks[finding.state]} {finding.name:{width}}  {finding.said}{hint}")
        wrong += [finding for finding in found if finding.state == WRONG]
    if not wrong:
        print("nothing is wrong")
        return 0
    print(f"{len(wrong)} wrong; what mends it:")
    for fix in dict.fromkeys(finding.fix for finding in wrong):
        print(f"  {fix}")
    return 1
