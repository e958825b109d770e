"""Names to embeddings: tokenizer, text towers, prompts, cache."""

from ovdet.text.bank import Bank
from ovdet.text.classes import TextClasses, word_vector
from ovdet.text.encoders import TextEncoder
from ovdet.text.learned import LearnedPrompts
from ovdet.text.prompts import clean_names, fill, load_templates
from ovdet.text.published import OpenClipText, TransformersText
from ovdet.text.store import VectorStore, cache_folder
from ovdet.text.tiny import TinyTextTransformer
from ovdet.text.tokenizer import ClipTokenizer, lengths

__all__ = [
    "Bank",
    "ClipTokenizer",
    "LearnedPrompts",
    "OpenClipText",
    "TextClasses",
    "TextEncoder",
    "TinyTextTransformer",
    "TransformersText",
    "VectorStore",
    "cache_folder",
    "clean_names",
    "fill",
    "lengths",
    "load_templates",
    "word_vector",
]
