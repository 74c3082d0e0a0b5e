"""The network: ResNet18 on previews, its training, its calibration, what it says of a frame, and the file it is kept in."""
