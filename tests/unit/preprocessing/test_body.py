"""The body in a CT."""

import numpy as np
import pytest

from agg2exp.domain.upright import upright
from agg2exp.preprocessing.body import CtBody, body_mask
from agg2exp.preprocessing.preprocessing import Preprocessing
from tests.helpers import cases


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


@pytest.mark.parametrize("axes", ["RAS", "LPI", "SRA", "PIL", "native"])
def test_the_body_does_not_depend_on_the_axes_of_the_model(axes: str):
    """Lungs are filled slice by slice from foot to head, wherever that axis is; open at the lower end of the scan."""
    native = cases.scan_grid("LSP", (4, 4, 4))
    points = cases.world(native)
    thorax = (np.abs(points) < (28, 22, 30)).all(axis=-1)
    lung = (np.abs(points - (8, 0, -16)) < (12, 10, 14)).all(axis=-1)  # ends with the scan
    scan = np.where(thorax, 40.0, -1000.0)
    scan[lung] = -800.0
    scan[..., :6, :][np.random.default_rng(0).random((18, 6, 15)) < 0.1] -= 30  # no value fills a tenth
    scan += np.random.default_rng(1).normal(0, 5, scan.shape)
    prepared = Preprocessing(axes, body=CtBody()).prepare(scan[None], native, print)
    np.testing.assert_array_equal(upright(prepared.body.numpy(), prepared.grid), upright(thorax, native))


def test_rounding_at_the_threshold_is_no_tissue():
    """Linear interpolation between -1000 and 0 HU may end a bit above -500."""
    hu = np.full((3, 3, 3), -500.0, dtype=np.float32)
    assert not body_mask(np.nextafter(hu, np.float32(0))).any()
    assert body_mask(hu + 1e-3).all()


def test_without_a_rule_the_body_is_unknown_and_said_once():
    native, said = cases.scan_grid(), []
    prepared = Preprocessing().prepare(cases.hounsfield(cases.world(native))[None], native, said.append)
    assert prepared.body is None
    (notice,) = said
    assert "model.preprocessing.body" in notice
    assert "enrichment_body and expected_by_distance are unknown (NaN)" in notice
