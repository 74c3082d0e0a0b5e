"""What the network learns from: previews, splits that do not leak, folders of classes, their description."""
