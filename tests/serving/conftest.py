"""The application in front of a model that can be foretold."""

import pytest
from colour_server import ColourDetector, make
from fastapi.testclient import TestClient

from ovdet.apis.model import Model
from ovdet.serving import ServerLimits, create_app


@pytest.fixture
def detector():
    return ColourDetector()


@pytest.fixture
def client_of():
    """Return a function that puts a module, or a model, behind an application and a client."""
    clients = []

    def client_of(module, key=None, **limits):
        model = module if isinstance(module, Model) else make(module)
        app = create_app(model, ServerLimits(**limits), key=key)
        client = TestClient(app, raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client

    yield client_of
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(client_of, detector):
    return client_of(detector)
