"""What is asked for by name, and what each name means: a command line offers it before numpy is in.

The names are served by :mod:`.protocols`, :mod:`.results`, :mod:`.tables` and :mod:`.semantic`.
"""

PROTOCOLS = {
    "coco": "COCO: the 100 best of an image and class",
    "ov-coco": "open-vocabulary COCO: 48 base and 17 novel classes compete",
    "lvis": "LVIS: federated, the 300 best of an image",
    "lvis-fixed": "LVIS fixed AP: federated, the 10,000 best of a class over the set",
    "ov-lvis": "open-vocabulary LVIS: the rare classes are novel",
    "odinw": "the mean over many small sets; folders of COCO files",
    "panoptic": "panoptic quality; JSON files with their folders of PNG beside them",
    "semantic": "mean IoU of pixels; folders of label maps",
    "phrases": "Flickr30k Entities: recall of the phrases' boxes",
    "expressions": "RefCOCO: the best box of an expression",
    "classification": "one class an image, named without training",
    "retrieval": "images and sentences that find each other; rankings, best first",
}
"""Published protocols."""

KINDS = ("bbox", "segm", "boundary")
"""What of a detection is compared."""

BACKENDS = ("hotcoco", "pycocotools", "numpy")
"""Who computes average precision."""

ABSENT = {
    "skip": "count nowhere",
    "claimed": "count as 0 where some pixel was given them",
    "zero": "count as 0",
}
"""What becomes of classes without a pixel in the truth, by the names of ``evaluate_semantic``."""
