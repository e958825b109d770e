"""Write a model as ONNX, or as a program of torch.export, and compare it with torch.

ovdet export --out model.onnx
ovdet export --embed names.npz --classes cat dog "red panda"
ovdet export --out animals.onnx --classes cat dog "red panda"
ovdet export --model CONFIG.py --checkpoint FILE --out model.pt2 --format program

Without names the file takes their embeddings, so they can change after the export: --embed writes
them. Beside it come a script that asks it about a photo, model.onnx.py, and a card for machines.
A .pt2 file can run code: load only files you trust.
"""

import argparse
import shlex
from pathlib import Path

SUMMARY = "write a model as ONNX or as a torch.export program"
WHEN_STOPPED = "stopped; files are written whole or not at all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", metavar="NAME", help="as ovdet.load takes it (ovdet-tiny)")
    parser.add_argument("--checkpoint", metavar="FILE", help="weights for a config")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FILE", help="the model, .onnx or .pt2")
    what.add_argument("--embed", type=Path, metavar="FILE", help="only the names' embeddings, .npz")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="names to put into the file")
    parser.add_argument("--classes-file", type=Path, metavar="FILE", help="or a file of them")
    parser.add_argument("--format", choices=("onnx", "program"), default="onnx")
    parser.add_argument("--opset", type=int, metavar="N", help="ONNX's, from 18; torch's choice")
    parser.add_argument("--offline", action="store_true", help="fetch no model")


def run(options: argparse.Namespace) -> int:
    """Export; return 1 where the file's answers are not the model's."""
    from ovdet.apis import load
    from ovdet.apis.files import read_classes
    from ovdet.export import embed, export

    names = None
    if options.embed or options.classes or options.classes_file:
        names = read_classes(options.classes, options.classes_file)
    model = load(
        options.model, checkpoint=options.checkpoint, device="cpu", offline=options.offline
    )
    if options.embed and names:
        path = embed(model, options.embed, names)
        print(f"{path}  for a file that {model.name} was exported to without names")
        return 0
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
    asked = "" if names else " --names names.npz"
    print(f"{written.script_path}  asks it: python {written.script_path} photo.jpg{asked}")
    if not names:
        print(f"  made by: {written.card['embed']}")
    print(f"against torch on a rendered picture: {written.difference.text}")
    return 0 if written.difference.close else 1


def _arguments(options: argparse.Namespace, name: str) -> str:
    """Return the options that gave the model, as they are written in a shell."""
    words = ["--model", options.model or name]
    return shlex.join([*words, "--checkpoint", options.checkpoint] if options.checkpoint else words)
