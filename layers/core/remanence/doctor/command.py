"""`remanence doctor`: prints each finding; the exit code says whether the URL will do."""

from __future__ import annotations

from remanence.doctor import findings
from remanence.doctor.examine import examine
from remanence.doctor.fitness import Purpose


def run_doctor(uri: str, purpose: str, *, seconds: float, as_json: bool) -> int:
    """Look at `uri` and print what was found, each line as soon as it is known.

    Returns:
        0 when nothing failed, 1 otherwise.
    """
    found: list[findings.Finding] = []
    for finding in examine(uri, Purpose(purpose), seconds=seconds):
        found.append(finding)
        if not as_json:
            print(findings.as_text([finding]), flush=True)
    if as_json:
        print(findings.as_json(found))
    return 0 if findings.is_fit(found) else 1
