"""Names of the segmented structures, spelt as TotalSegmentator (version 2) spells its mask files."""

from __future__ import annotations

SIDES = {"left": -1.0, "right": 1.0}  # sign of x in RAS world coordinates

LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
RIBS = tuple(f"rib_{side}_{number}" for side in SIDES for number in range(1, 13))
VERTEBRAE = tuple(
    f"vertebrae_{region}{number}"
    for region, count in (("C", 7), ("T", 12), ("L", 5), ("S", 1))
    for number in range(1, count + 1)
)
STRUCTURES = (
    "aorta",
    *LOBES,
    "trachea",
    "heart",
    "pulmonary_vein",
    "thyroid_gland",
    *RIBS,
    *VERTEBRAE,
    "autochthon_left",
    "autochthon_right",
    "sternum",
    "costal_cartilages",
)
PATHOLOGIES = ("consolidation", "pleural_effusion")
