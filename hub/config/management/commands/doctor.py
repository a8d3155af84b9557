"""manage.py doctor: examine this deployment."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hub.config.doctor import Finding, examine
from hub.config.doctor.finding import Level

MARKS = {Level.OK: "ok     ", Level.ADVICE: "advice ", Level.PROBLEM: "PROBLEM"}


class Command(BaseCommand):
    """Says what to change; ends with 1 where there is a problem."""

    help = "Examine this deployment and say what to change; exit code 1 where there is a problem."
    # A broken deployment is what it is for.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine, print, and end with the exit code."""
        found = examine()
        problems = sum(finding.level == Level.PROBLEM for finding in found)
        if options["json"]:
            self.stdout.write(
                json.dumps({"ok": not problems, "findings": [asdict(each) for each in found]}, indent=2)
            )
        else:
            for finding in found:
                self._tell(finding)
            self.stdout.write("" if problems == 0 else f"\n{problems} to be mended.")
        if problems:
            sys.exit(1)

    def _tell(self, finding: Finding) -> None:
        style = {
            Level.OK: self.style.SUCCESS,
            Level.ADVICE: self.style.WARNING,
            Level.PROBLEM: self.style.ERROR,
        }
        mark = style[finding.level](MARKS[finding.level])
        self.stdout.write(f"{mark} {finding.check}: {finding.message}")
        if finding.remedy:
            self.stdout.write(f"        → {finding.remedy}")
