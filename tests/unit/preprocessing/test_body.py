"""The body in a CT."""

import numpy as np

from agg2exp.preprocessing.body import body_mask


def trunk() -> tuple[np.ndarray, np.ndarray]:
    """HU of a trunk with two lungs that leave the scan at the bottom, on a table; and the trunk."""
    hu = np.full((20, 16, 12), -1000.0)
    body = np.zeros(hu.shape, dtype=bool)
    body[3:17, 4:13, :] = True
    hu[body] = 40
    hu[5:9, 6:11, :8] = -850
    hu[11:15, 6:11, :8] = -850
    hu[:, 1, :] = 100  # the table
    return hu, body


def test_lungs_belong_to_the_body_and_table_and_air_do_not():
    hu, body = trunk()
    np.testing.assert_array_equal(body_mask(hu), body)


def test_the_threshold_is_in_hounsfield_units():
    hu, body = trunk()
    hu[3:17, 12, :] = -600  # a layer above the trunk: skin that only a lower threshold keeps
    thinner = body.copy()
    thinner[:, 12, :] = False
    np.testing.assert_array_equal(body_mask(hu), thinner)
    np.testing.assert_array_equal(body_mask(hu, threshold=-700), body)


def test_a_scan_of_air_has_no_body():
    assert not body_mask(np.full((4, 4, 4), -1000.0)).any()
