"""`engine queue fsck`: is the queue sound?"""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.places import DEFAULT_RING, DEFAULT_RUN

if TYPE_CHECKING:
    from engine.commands.sources import Source


def fsck(
    *,
    run: Path = DEFAULT_RUN,
    ring: str = DEFAULT_RING,
    source: Path | None = None,
    json: bool = False,
) -> int:
    """Check every control word and every record of the queue; exit code 1 if one is wrong.

    Changes nothing and may run beside engine and trainer. Behind a damaged record it goes on with
    the next whole one. What a kill leaves is a note, not an error: the next process mends it.

    Example: engine queue fsck --run runs/first

    Parameters
    ----------
    run
        The run directory.
    ring
        Which of its rings: the name of a file in queue/.
    source
        A ring file or a journal's directory anywhere, instead of a run's ring.
    json
        One JSON object a finding or note, and one line each.
    """
    from engine.commands.sources import open_source

    place = open_source(run=run, ring=ring, source=source)
    findings, notes = list(place.findings()), list(place.notes())
    for finding in findings:
        row = {**asdict(finding), "path": str(finding.path)}
        print(jsonlib.dumps(row) if json else str(finding))
    for note in notes:
        print(jsonlib.dumps({"note": note}) if json else f"note: {note}")
    if not json:
        print(_verdict(place, num_findings=len(findings)))
    return 1 if findings else 0


def _verdict(source: "Source", *, num_findings: int) -> str:
    from engine.observe import quantities

    if not num_findings:
        return f"{source.path} is sound"
    return f"{source.path}: {quantities.count(num_findings, 'finding')}; {source.remedy}"
