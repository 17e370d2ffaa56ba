"""Two agents, two callers of the API and the sweep edit one block, all at once: nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.shared_edits import edit_together

if TYPE_CHECKING:
    from support.pg import Database


def test_no_edit_of_a_shared_block_is_lost(fresh_database: Database) -> None:
    edit_together(fresh_database, edits=50).check()


@pytest.mark.perf
def test_a_thousand_edits_of_a_shared_block(fresh_database: Database) -> None:
    report = edit_together(fresh_database, edits=1_000)
    print(report)
    report.check()
