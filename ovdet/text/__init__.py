"""Names to embeddings: tokenizer, text towers, prompts, cache."""

from ovdet.text.encoders import TextEncoder
from ovdet.text.tiny import TinyTextTransformer
from ovdet.text.tokenizer import ClipTokenizer

__all__ = ["ClipTokenizer", "TextEncoder", "TinyTextTransformer"]
