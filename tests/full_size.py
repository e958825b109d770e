"""A file of COCO's own size and key order, made of random boxes and polygons."""

import json
from itertools import cycle, islice

import numpy as np

from ovdet.data.splits import vocabulary

POINTS = 27  # of a polygon, so that the training file has the half gigabyte of the true one


def write_instances(path, counts, seed):
    """Write ``counts`` images and annotations."""
    rng = np.random.default_rng(seed)
    classes = vocabulary("coco")
    polygons = [
        json.dumps([rng.uniform(0, 640, 2 * max(3, round(n))).round(2).tolist()])
        for n in rng.exponential(POINTS, 500)
    ]
    numbers = rng.choice(np.array(classes.category_ids), 1 << 14).tolist()
    images = ", ".join(
        json.dumps(
            {
                "license": 3,
                "file_name": f"{i:012d}.jpg",
                "coco_url": f"http://images.cocodataset.org/train2017/{i:012d}.jpg",
                "height": 480,
                "width": 640,
                "date_captured": "2013-11-14 11:18:45",
                "flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg",
                "id": i,
            }
        )
        for i in range(1, counts["images"] + 1)
    )
    names = zip(classes.category_ids, classes.names, strict=True)
    categories = json.dumps([{"supercategory": "x", "id": i, "name": name} for i, name in names])
    with path.open("w") as file:
        file.write('{"info": {}, "licenses": [], "images": [' + images + '], "annotations": [')
        total = counts["annotations"]
        for i, polygon, number in islice(zip(range(total), cycle(polygons), cycle(numbers)), total):
            file.write(
                f'{", " if i else ""}{{"segmentation": {polygon}, "area": 702.1057499999998, '
                f'"iscrowd": 0, "image_id": {i % counts["images"] + 1}, '
                f'"bbox": [473.07, 395.93, 38.65, 28.67], "category_id": {number}, "id": {i + 1}}}'
            )
        file.write('], "categories": ' + categories + "}")
