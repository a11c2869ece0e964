"""Boxes on pictures: objects with their places, read from PASCAL VOC and COCO, and looked over."""
