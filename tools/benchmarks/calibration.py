"""What calibration on a few pictures is worth on others: F1 of ovdet-tiny on rendered stickers.

python tools/benchmarks/calibration.py --few 40 --others 120
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def main() -> int:
    """Render, calibrate on some pictures, and print what the others say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=40, help="pictures to calibrate on (40)")
    parser.add_argument("--others", type=int, default=120, help="pictures to measure on (120)")
    parser.add_argument("--seed", type=int, default=11, help="of the scenes (11)")
    options = parser.parse_args()
    from ovdet.apis import load
    from ovdet.apis.calibrating import calibrate, judge, suggest

    model = load("ovdet-tiny")
    least = model.settings.threshold
    with tempfile.TemporaryDirectory() as folder:
        few = render(Path(folder) / "few", options.few, options.seed)
        others = render(Path(folder) / "others", options.others, options.seed + 1)
        labels, seen = judge(model, *few)
        _, unseen = judge(model, *others)
    found = calibrate(labels, seen)
    print(f"temperature {found.temperature:.2f}")
    for name, judged in (("calibrated on", seen), ("held out", unseen)):
        print(
            f"{name}: {len(judged.label)} detections, {judged.positives.sum()} objects; "
            f"F1 {judged.f1(labels, least):.3f} at {least:g}, "
            f"{judged.f1(suggest(model, labels), least):.3f} suggested, "
            f"{judged.f1(found, least):.3f} calibrated"
        )
    return 0


def render(folder: Path, count: int, seed: int) -> tuple[Path, Path]:
    """Write scenes and their annotations; return the file and the folder."""
    import numpy as np
    from PIL import Image

    from ovdet.data.stickers import render_scene
    from ovdet.data.stickers.coco_json import CocoWriter
    from ovdet.data.stickers.split import ov_categories
    from ovdet.data.stickers.tracks import OV_SPEC

    categories = ov_categories()
    names = [category.name for category in categories]
    chance, writer = np.random.default_rng(seed), CocoWriter(categories)
    folder.mkdir()
    for index in range(count):
        scene = render_scene(chance, OV_SPEC, names)
        Image.fromarray(scene.image).save(folder / f"{index:04}.png")
        writer.add(scene, f"{index:04}.png")
    file = folder.with_suffix(".json")
    file.write_bytes(writer.to_json())
    return file, folder


if __name__ == "__main__":
    sys.exit(main())
