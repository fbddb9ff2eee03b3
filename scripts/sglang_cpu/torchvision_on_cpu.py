"""Lets torchvision be imported beside a CPU build of torch; SGLang imports it and uses none of it.

torchvision registers stand-ins for two operators of its compiled half, which does not load beside a
CPU torch, and fails since nobody has declared them. They are declared here, just before it is
imported. In a `.pth`, for SGLang's children too.
"""

import importlib.abc
import sys

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _BeforeTorchvision(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None) -> None:  # noqa: ANN001, ARG002
        if name != "torchvision":
            return
        sys.meta_path.remove(self)
        import torch

        if torch.version.cuda is None:
            for operator in ("nms", "qnms"):
                torch.library.define(f"torchvision::{operator}", _SIGNATURE)
        return


sys.meta_path.insert(0, _BeforeTorchvision())
