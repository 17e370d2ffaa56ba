from __future__ import annotations

import psycopg

from remanence.db.failures import store_error
from remanence.errors import StoreError, StoreUnavailable


def test_a_complaint_of_the_driver_is_not_taken_for_a_lost_connection() -> None:
    error = store_error(psycopg.ProgrammingError("query parameter missing: secret"))

    assert type(error) is StoreError
    assert "secret" not in str(error)


def test_silence_of_the_server_is_a_lost_connection() -> None:
    assert type(store_error(psycopg.OperationalError())) is StoreUnavailable
