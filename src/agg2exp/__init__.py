"""agg2exp: explain 3D medical segmentation models by the importance of regions of interest."""

__version__ = "0.1.0"
