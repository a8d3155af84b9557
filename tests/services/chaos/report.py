"""One line per scenario, printed at the end of the run."""

LINES: list[str] = []


def report(scenario: str, *findings: str) -> None:
    """Add a line."""
    LINES.append(f"{scenario:<34} {', '.join(findings)}")
