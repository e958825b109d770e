from quick_labels import paint, store, task_of

from ovdet.labelling.counts import count


def found(category, score):
    return {"category_id": category, "bbox": [0, 0, 4, 4], "score": score}


def record(index, *objects):
    return {"index": index, "size": [16, 24], "objects": list(objects)}


def test_counts_by_hand(tmp_path):
    records = [
        record(0, found(1, 1.0), found(1, 0.5), found(3, 0.0)),
        record(1),
        record(2, found(1, 0.5)),
    ]
    counts = count(store(tmp_path / "out", task_of(paint(tmp_path / "in", 4)), records), 5)
    assert counts.objects.tolist() == [3, 0, 1]
    assert counts.pictures.tolist() == [2, 0, 1]
    assert counts.total.tolist() == [2.0, 0.0, 0.0]
    assert counts.scores[0, [10, 19]].tolist() == [2, 1]
    assert counts.scores[2, 0] == 1
    assert counts.empty == 1
    assert [picture.index for picture in counts.sample] == [0, 1, 2]


def test_the_sample_follows_from_names_alone(tmp_path):
    folder = paint(tmp_path / "in", 40)
    records = [record(index, found(1, 0.5)) for index in range(40)]
    one = count(store(tmp_path / "one", task_of(folder), records), 7)
    other = count(store(tmp_path / "other", task_of(folder), records[::-1]), 7)
    names = [picture.name for picture in one.sample]
    assert names == [picture.name for picture in other.sample] == sorted(names)
    assert len(names) == 7
