"""Names to embeddings: tokenizer, text towers, prompts, cache."""

from ovdet.text.bank import Bank
from ovdet.text.blocks import TokenLayer
from ovdet.text.captions import Caption, compose_caption, cut_names, positive_map, write_names
from ovdet.text.classes import TextClasses, word_vector
from ovdet.text.encoders import TextEncoder
from ovdet.text.learned import LearnedPrompts
from ovdet.text.prompts import clean_names, fill, load_templates
from ovdet.text.published import OpenClipText, TransformersText
from ovdet.text.rows import LearntRows
from ovdet.text.store import VectorStore
from ovdet.text.tables import TableClasses, check_reader, read_table
from ovdet.text.taught import TaughtClasses
from ovdet.text.tiny import TinyTextTransformer
from ovdet.text.tokenizer import ClipTokenizer, lengths
from ovdet.text.tokens import TokenText
from ovdet.text.tuned import TunedTextClasses

__all__ = [
    "Bank",
    "Caption",
    "ClipTokenizer",
    "LearnedPrompts",
    "LearntRows",
    "OpenClipText",
    "TableClasses",
    "TaughtClasses",
    "TextClasses",
    "TextEncoder",
    "TinyTextTransformer",
    "TokenLayer",
    "TokenText",
    "TransformersText",
    "TunedTextClasses",
    "VectorStore",
    "check_reader",
    "clean_names",
    "compose_caption",
    "cut_names",
    "fill",
    "lengths",
    "load_templates",
    "positive_map",
    "read_table",
    "word_vector",
    "write_names",
]
