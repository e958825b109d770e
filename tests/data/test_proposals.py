import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from ovdet.data import LoadProposals, StoredCrops
from ovdet.structures import InputError, Regions, Sample

ARRAYS = {
    "7.boxes": np.array([[0, 0, 4, 4], [1, 1, 3, 2]], np.float32),
    "7.embeddings": np.array([[1, 0], [0, 1]], np.float32),
    "8.boxes": np.array([[5, 0, 4, 4]], np.float32),
    "8.embeddings": np.zeros((1, 2), np.float32),
    "9.boxes": np.zeros((2, 4), np.float32),
    "9.embeddings": np.zeros((1, 2), np.float32),
    "10.boxes": np.zeros((0, 4), np.float32),
    "10.embeddings": np.zeros((0, 2), np.float32),
}


@pytest.fixture(params=["a.npz", "a.safetensors"])
def file(tmp_path, request):
    path = tmp_path / request.param
    save_file(ARRAYS, path) if path.suffix == ".safetensors" else np.savez(path, **ARRAYS)
    return path


def load(file, image_id):
    return LoadProposals(str(file))(Sample(torch.zeros(3, 4, 4), image_id), None).proposals


def test_boxes_and_embeddings_are_given_to_their_image(file):
    proposals = load(file, 7)
    assert torch.equal(proposals.boxes, torch.tensor(ARRAYS["7.boxes"]))
    assert torch.equal(proposals.embeddings, torch.tensor(ARRAYS["7.embeddings"]))


def test_an_image_may_have_none(file):
    assert len(load(file, 10)) == 0


@pytest.mark.parametrize(
    ("image_id", "message"),
    [
        (1, "has no entry '1.boxes'"),
        (8, "boxes must be xyxy"),
        (9, "embeddings must have one entry a box"),
    ],
)
def test_wrong_entries(file, image_id, message):
    with pytest.raises(InputError, match=message):
        load(file, image_id)


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_files_that_are_none(tmp_path, name):
    with pytest.raises(InputError, match="cannot be read as arrays"):
        LoadProposals(str(tmp_path / name))
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match="cannot be read as arrays"):
        LoadProposals(str(tmp_path / name))


def dealt(file, image_id, **options):
    sample = Sample(torch.zeros(3, 4, 4), image_id, truth=one_object())
    return LoadProposals(str(file), **options)(sample, None).proposals


def one_object():
    return Regions(torch.tensor([[0.0, 0, 4, 3]]), torch.zeros(1, dtype=torch.int64))


def test_shuffled_embeddings_are_the_same_ones_elsewhere(tmp_path):
    arrays = {f"{i}.boxes": np.zeros((3, 4), np.float32) for i in range(4)}
    arrays |= {
        f"{i}.embeddings": np.arange(3 * i, 3 * i + 3, dtype=np.float32)[:, None] for i in range(4)
    }
    np.savez(tmp_path / "a.npz", **arrays)
    rows = [dealt(tmp_path / "a.npz", i, shuffle=True).embeddings[:, 0] for i in range(4)]
    found = torch.cat(rows)
    assert sorted(found.tolist()) == list(range(12))
    assert found.tolist() != list(range(12))


def test_only_regions_near_an_object_are_kept_with_their_embeddings(file):
    kept = dealt(file, 7, near_truth=0.5)
    assert kept.boxes.tolist() == [[0, 0, 4, 4]]  # IoU 12 / 16; the other one is inside, 2 / 12
    assert kept.embeddings.tolist() == [[1, 0]]


NAMED = ARRAYS | {
    "7.labels": np.array([4, 2]),
    "7.scores": np.array([1, 0.5], np.float32),
    "10.labels": np.zeros(0, np.int64),
}


@pytest.fixture
def named(tmp_path):
    np.savez(tmp_path / "named.npz", **NAMED)
    return tmp_path / "named.npz"


def test_labels_and_scores_where_a_labeler_gave_them(named):
    proposals = load(named, 7)
    assert proposals.labels.tolist() == [4, 2]
    assert proposals.labels.dtype is torch.int64
    assert proposals.scores.tolist() == [1, 0.5]
    assert load(named, 10).scores is None


def test_labelled_regions_may_stand_in_for_the_annotated_objects(named):
    before = Sample(torch.zeros(3, 4, 4), 7, truth=one_object())
    after = LoadProposals(str(named), as_truth=True)(before, None)
    assert after.truth.boxes.tolist() == ARRAYS["7.boxes"].tolist()
    assert after.truth.labels.tolist() == [4, 2]
    assert after.truth.embeddings.tolist() == [[1, 0], [0, 1]]
    assert after.proposals is None
    assert len(before.truth) == 1


def test_objects_need_labels(file):
    with pytest.raises(InputError, match=r"has no entry '7\.labels'"):
        dealt(file, 7, as_truth=True)


def test_crops_are_drawn_by_class(named):
    crops = StoredCrops(str(named))
    assert crops.draw(4).tolist() == [1, 0]
    assert crops.draw(2).tolist() == [0, 1]
    assert crops.draw(0) is None


def test_any_of_a_classes_crops(tmp_path):
    arrays = {"1.labels": np.zeros(3), "1.embeddings": np.arange(3.0)[:, None]}
    np.savez(tmp_path / "a.npz", **arrays)
    torch.manual_seed(0)
    drawn = {StoredCrops(str(tmp_path / "a.npz")).draw(0).item() for _ in range(30)}
    assert drawn == {0, 1, 2}


def test_crops_without_labels_have_no_class(file):
    with pytest.raises(InputError, match=r"must have entries '<image id>\.labels', has none"):
        StoredCrops(str(file))
