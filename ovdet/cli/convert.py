"""Write a data set in the layout that the configs expect.

ovdet convert stickers-ov data/stickers-ov
ovdet convert coco-ov data/coco data/coco-ov
ovdet convert coco-ov data/coco --check

Renders a world of stickers, or turns a published data set into the project's files. Each line of
the output is the sha256 of a file, its path, and what it holds.
"""

import argparse

SUMMARY = "write a data set in the layout that the configs expect"
TRACKS = {
    "stickers-ov": "65 classes, 48 base and 17 novel; COCO JSON (1200 train, 400 val images)",
    "stickers-labels": "stickers-ov's classes as image labels, no boxes (2000 / 200 images)",
    "stickers-lv": "808 classes in a long tail, rare ones held out; LVIS JSON (6000 / 1500 images)",
    "stickers-seg": "12 things, 8 stuff, 5 of 20 unseen; label maps, panoptic (1500 / 400 images)",
    "stickers-caps": "captioned pictures of all stickers (8000 train, 1000 val images)",
    "stickers-phrases": "sentences whose phrases stand for boxes, or for none (2000 / 500 images)",
    "stickers-bias": "horse and camel on grass and desert, thinned to a bias (192 / 192 images)",
    "stickers-new": "octopus and violin, unseen by all others, to fine-tune on (10 / 100 images)",
}

CONVERSIONS = {
    "coco-ov": ("coco", "coco-ov", "COCO 2017 as OV-COCO: 48 base and 17 novel classes"),
    "lvis-ov": ("lvis", "lvis-ov", "LVIS v1 as OV-LVIS: 866 base, 337 novel (rare) classes"),
    "voc": ("VOCdevkit", "voc", "PASCAL VOC 2007, 2012: boxes, label maps of 20 and 21 classes"),
    "yolo": ("yolo", "yolo-coco", "data of your own with data.yaml and label files"),
    "odinw": ("odinw", "odinw-coco", "the 13 small detection sets of ODinW"),
    "odinw35": ("odinw", "odinw35-coco", "the 35 small detection sets of ODinW"),
    "coco-captions": ("coco", "coco-captions", "COCO 2017's captions"),
    "coco-tags": (
        "coco",
        "coco-tags",
        "classes of OV-COCO that COCO's captions name: image labels",
    ),
    "flickr30k-entities": ("flickr30k", "flickr30k-entities", "phrases of captions and boxes"),
    "refcoco": ("refer", "refcoco", "RefCOCO, RefCOCO+, RefCOCOg: expressions that mean one box"),
    "ade20k": ("ade", "ade20k", "ADE20K: label maps of 150 and of 847 classes"),
    "context": ("VOCdevkit/VOC2010", "context", "PASCAL Context: maps of 59 and 459 classes"),
    "cocostuff": ("coco", "cocostuff", "COCO-Stuff: label maps of 171 classes"),
    "cityscapes": ("cityscapes", "cityscapes-labels", "Cityscapes: label maps of 19 classes"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    commands = parser.add_subparsers(dest="name", required=True, metavar="WHAT")
    for name, text in TRACKS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("out", metavar="OUT", help="folder to make")
        command.add_argument("--seed", type=int, default=0, help="same seed, same bytes")
        command.add_argument("--train", type=int, metavar="N", help="number of training images")
        command.add_argument("--val", type=int, metavar="N", help="number of validation images")
        command.add_argument("--force", action="store_true", help="replace OUT if not empty")
    for name, (source, out, text) in CONVERSIONS.items():
        command = commands.add_parser(name, help=text, description=text)
        for place, folder, told in (("source", source, "its folder"), ("out", out, "to make")):
            default = f"data/{folder}"
            command.add_argument(
                place, nargs="?", default=default, metavar=place.upper(), help=f"{told} ({default})"
            )
        command.add_argument(
            "--check", action="store_true", help="write nothing: check SOURCE, and OUT if there"
        )
        command.add_argument(
            "--partial", action="store_true", help="accept a SOURCE that holds less than published"
        )
        command.add_argument("--force", action="store_true", help="replace an OUT converted before")


def run(options: argparse.Namespace) -> int:
    """Write a data set, or check one."""
    (_render if options.name in TRACKS else _convert)(options)
    return 0


def _render(options: argparse.Namespace) -> None:
    from ovdet.data.stickers import write_track

    hashes = write_track(
        options.name,
        options.out,
        seed=options.seed,
        train=options.train,
        val=options.val,
        force=options.force,
    )
    for path, digest in hashes.items():
        print(f"{digest}  {options.out}/{path}")


def _convert(options: argparse.Namespace) -> None:
    from ovdet.data.convert import convert

    written = convert(
        options.name,
        options.source,
        options.out,
        check=options.check,
        partial=options.partial,
        force=options.force,
    )
    for one in written:
        print(f"{one.sha256}  {options.out}/{one.path}  {one}")
