"""`remanence replay`: the request of a past step, compiled again.

Path: cli -> replayed -> db.receipts -> core.replay.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from remanence.core.receipt import request_to_json
from remanence.core.replay import replay
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.receipts import Receipts
from remanence.zones import zone

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId


def replayed(uri: str, step_id: str, org_id: OrgId) -> JsonObject:
    """The request that a step sent, compiled again and compared with the hash of the one sent.

    Raises:
        NotFound: no such step.
        NotReplayable: what it was compiled from is gone or was changed.
    """
    with closing(OneConnection(uri)) as connections:
        kept = Receipts(Queries(connections)).load_kept(org_id, step_id)
    return request_to_json(replay(kept, zone))
