"""Synthetic images: reproducible, and their classes can be learned across domains."""

import numpy as np

from repro.reading.synthetic import paint, paint_in_turn


def test_the_same_arguments_give_the_same_image():
    image = paint(3, 1, (40, 56), 7)
    assert image.shape == (40, 56, 3) and image.dtype == np.uint8 and image.std() > 10
    assert np.array_equal(image, paint(3, 1, (40, 56), 7)) and not np.array_equal(image, paint(3, 1, (40, 56), 8))


def test_classes_come_in_turn_and_seeds_make_other_images():
    images, labels = paint_in_turn(7, 3, 1, 24, 5)
    assert images.shape == (7, 24, 24, 3) and labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert np.array_equal(images[4], paint(1, 1, (24, 24), 5, 4))
    assert len(np.unique(np.concatenate([images, paint_in_turn(7, 3, 1, 24, 6)[0]]), axis=0)) == 14


def test_a_linear_classifier_learns_the_class_and_carries_it_to_another_domain():
    from sklearn.linear_model import LogisticRegression

    def split(domain: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        images = [paint(kind, domain, (16, 16), number, copy) for kind in range(6) for copy in range(12)]
        return np.stack(images).reshape(len(images), -1) / 255, np.repeat(np.arange(6), 12)

    model = LogisticRegression(max_iter=500).fit(*split(0, 0))
    assert model.score(*split(0, 1)) > 0.8
    assert model.score(*split(3, 1)) > 0.4
