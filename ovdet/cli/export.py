"""Write a model as ONNX, or as a program of torch.export, and compare it with torch.

ovdet export --out model.onnx
ovdet export --out animals.onnx --classes cat dog "red panda"
ovdet export --model CONFIG.py --checkpoint FILE --out model.pt2 --format program

Without names the file takes their embeddings, so they can change after the export. A card beside
it says what goes in and comes out, and holds the Python that runs it. A .pt2 file can run code:
load only files you trust.
"""

import argparse
from pathlib import Path

SUMMARY = "write a model as ONNX or as a torch.export program"
WHEN_STOPPED = "stopped; files are written whole or not at all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", metavar="NAME", help="as ovdet.load takes it (ovdet-tiny)")
    parser.add_argument("--checkpoint", metavar="FILE", help="weights for a config")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".onnx or .pt2")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="names to put into the file")
    parser.add_argument("--classes-file", type=Path, metavar="FILE", help="or a file of them")
    parser.add_argument("--format", choices=("onnx", "program"), default="onnx")
    parser.add_argument("--opset", type=int, metavar="N", help="ONNX's, from 18; torch's choice")
    parser.add_argument("--offline", action="store_true", help="fetch no model")


def run(options: argparse.Namespace) -> int:
    """Export; return 1 where the file's answers are not the model's."""
    from ovdet.apis import load
    from ovdet.apis.files import read_classes
    from ovdet.export import export

    names = None
    if options.classes or options.classes_file:
        names = read_classes(options.classes, options.classes_file)
    model = load(
        options.model, checkpoint=options.checkpoint, device="cpu", offline=options.offline
    )
    written = export(
        model,
        options.out,
        classes=names,
        form=options.format,
        opset=options.opset,
        load=_arguments(options, model.name),
    )
    print(f"{written.path}  {written.path.stat().st_size / 2**20:.1f} MiB")
    for way in ("inputs", "outputs"):
        for value in written.card[way]:
            shape = ", ".join(map(str, value["shape"]))
            print(f"  {way[:-1]:6} {value['name']:9} [{shape}] {value['type']}: {value['about']}")
    print(f"{written.card_path}  how to run it")
    print(f"against torch on a rendered picture: {written.difference.text}")
    return 0 if written.difference.close else 1


def _arguments(options: argparse.Namespace, name: str) -> str:
    """Return what of ``ovdet.load`` gave the model, as it is written in Python."""
    named = repr(options.model or name)
    return f"{named}, checkpoint={options.checkpoint!r}" if options.checkpoint else named
