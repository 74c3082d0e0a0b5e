"""The network: ResNet18 on previews, its training and calibration, what it says of a frame, the file it is kept in."""
