"""What a setting of [engine] can be, where it is one of a few words."""

from enum import StrEnum


class Estimate(StrEnum):
    """How a new task's solve rate is measured."""

    FIXED = "fixed"
    ADAPTIVE = "adaptive"


class SolverMix(StrEnum):
    """Which tasks the solver's own batch has (AZR's `pred_data_mix_strategy`)."""

    MAX_NEW = "max_new"
    HALF_NEW = "half_new"
    UNIFORM = "uniform"
    STEP = "step"


class NoveltyGate(StrEnum):
    """What makes a proposal a repetition; each includes the one before it."""

    NONE = "none"
    FORM = "form"
    SHAPE = "shape"
    BEHAVIOUR = "behaviour"
