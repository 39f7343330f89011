"""From voxel attributions to the importance of regions, for one case and over cases."""
