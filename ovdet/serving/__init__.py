"""A model behind HTTP: requests that come together are answered together."""

try:
    import fastapi
    import prometheus_client
    import uvicorn
except ImportError as error:
    raise ImportError(f'a server needs {error.name}: pip install "ovdet[serve]"') from error

from ovdet.serving.app import create_app
from ovdet.serving.limits import ServerLimits
from ovdet.serving.memory import keep_freed
from ovdet.serving.server import serve

__all__ = ["ServerLimits", "create_app", "keep_freed", "serve"]

del fastapi, prometheus_client, uvicorn
