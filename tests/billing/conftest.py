import pytest
from billing_books import Books


@pytest.fixture
def books(connection):
    return Books(connection)
