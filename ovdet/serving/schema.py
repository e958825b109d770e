"""What goes in and out as JSON."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(min_length=1)]
Names = Annotated[
    list[Name],
    Field(
        min_length=1,
        description="Class names in plain words, none blank, none twice; labels come back exactly "
        "as they stand here.",
        examples=[["cat", "red car"]],
        json_schema_extra={"uniqueItems": True},
    ),
]


def _whole(value: Any) -> Any:
    """Return 3 for 3.0, which to JSON is the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=1000)]


class _Asked(BaseModel):
    """Unknown fields are refused, so that a misspelt one is not silently without effect."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _PictureAsked(_Asked):
    image: Annotated[
        str,
        Field(
            min_length=1,
            description="The file of a picture (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, JPEG 2000 or "
            "AVIF), in base64. It is turned upright as its EXIF orientation says; of an animation "
            "the first frame counts.",
            json_schema_extra={"format": "byte"},
        ),
    ]
    names: Names | None = Field(
        None, description="Class names; may be left out where a model knows its own."
    )
    threshold: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="Least score; the model's own if null."
    )


class DetectRequest(_PictureAsked):
    """What to find in a picture."""

    top_k: Count = Field(100, description="Most objects.")


class SegmentRequest(_PictureAsked):
    """What to outline in a picture."""

    task: Literal["instance", "semantic", "panoptic"] | None = Field(
        None, description="What the model is made for if null."
    )
    top_k: Count | None = Field(
        None, description="Most objects, 100 if null; as threshold, of instance only"
    )


class EmbedRequest(_Asked):
    """Names to turn into vectors."""

    names: Names


Box = Annotated[
    list[float], Field(min_length=4, max_length=4, description="x1, y1, x2, y2, px of the picture.")
]


class Detection(BaseModel):
    """One object."""

    label: str
    score: float = Field(description="In [0, 1].")
    box: Box


class Detections(BaseModel):
    """The objects of a picture, best first."""

    width: int = Field(description="Of the picture, upright, px.")
    height: int
    objects: list[Detection]


class Rle(BaseModel):
    """A mask over the picture as COCO's compressed run lengths."""

    size: Annotated[list[int], Field(min_length=2, max_length=2, description="Height, width.")]
    counts: str


class Segment(BaseModel):
    """One object, or all that has one class."""

    label: str
    score: float | None = Field(description="In [0, 1]; null where the task gives none.")
    area: int = Field(description="Pixels.")
    box: Box
    mask: Rle


class Segments(BaseModel):
    """The masks of a picture: best first of ``instance``, largest first of the other tasks."""

    width: int = Field(description="Of the picture, upright, px.")
    height: int
    segments: list[Segment]


class Embeddings(BaseModel):
    """One vector a name, in the order asked."""

    vectors: list[list[float]] = Field(description="Unit norm.")


class Failure(BaseModel):
    """What is wrong, in one line."""

    error: str


class Health(BaseModel):
    """How the server is."""

    status: Literal["ok", "stopping"]
    model: str
    task: str
