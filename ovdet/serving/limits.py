"""ServerLimits: how much a server takes on."""

from dataclasses import dataclass, fields

from ovdet.structures import InputError


@dataclass(frozen=True)
class ServerLimits:
    """How much a server takes on; what is beyond is refused, and the refusal says why.

    Attributes:
        batch: Most pictures that pass the model together; 1 answers one by one.
        wait_ms: How long the model waits for more of the same kind when it is idle, ms.
        queue: Most requests that wait for the model beside those of one batch, from their first
            byte on.
        body_mb: Most MB (2^20 bytes) of a request; a picture takes 4/3 of its file's size.
        megapixels: Most pixels of a picture, in millions.
        names: Most names of a request.
        name_length: Most characters of a name.
        patience_s: Longest time that a request's bytes may take to come, or one part of an answer
            to be taken, s.

    Raises:
        InputError: If a number is not positive; ``wait_ms`` and ``queue`` may be 0.
    """

    batch: int = 8
    wait_ms: float = 2.0
    queue: int = 64
    body_mb: float = 16.0
    megapixels: float = 25.0
    names: int = 1000
    name_length: int = 256
    patience_s: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in {"wait_ms", "queue"}:
                if not value >= 0:
                    raise InputError(f"{field.name} must be at least 0, got {value}")
            elif not value > 0:
                raise InputError(f"{field.name} must be above 0, got {value}")

    @property
    def inside(self) -> int:
        """Most requests that the server works on at a time."""
        return self.batch + self.queue

    @property
    def body_bytes(self) -> int:
        """Most bytes of a request."""
        return int(self.body_mb * 2**20)

    @property
    def pixels(self) -> int:
        """Most pixels of a picture."""
        return int(self.megapixels * 1e6)
