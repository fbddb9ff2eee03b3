"""Which modules of the standard library a guest can import; the zygote imports them beforehand."""

TASK_MODULES = (
    "abc", "array", "bisect", "cmath", "collections", "copy", "dataclasses", "decimal", "enum",
    "fractions", "functools", "heapq", "itertools", "json", "math", "numbers", "operator", "re",
    "statistics", "string", "textwrap", "types", "typing", "unicodedata",
)  # fmt: skip
"""What a proposed program may use: computation without a source of surprise."""

GUEST_MODULES = (
    *TASK_MODULES,
    "__future__", "base64", "binascii", "builtins", "calendar", "colorsys", "contextlib", "csv",
    "datetime", "difflib", "graphlib", "hashlib", "io", "keyword", "linecache", "pprint", "queue",
    "random", "struct", "sys", "time", "traceback", "warnings", "zlib",
)  # fmt: skip
"""What any program may import, a solver's or a benchmark's."""
